SELECT {columns} FROM {relation}{where}{order} LIMIT {rows} OFFSET {offset}
