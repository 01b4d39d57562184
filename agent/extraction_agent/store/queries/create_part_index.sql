CREATE {unique} INDEX ON {part} {definition}
