SELECT min({column}), max({column}) FROM {relation}
