SELECT min({column}), max({column}), typeof(min({column})), typeof(max({column})) FROM {relation}
