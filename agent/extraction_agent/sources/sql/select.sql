SELECT {columns} FROM {relation}{where}
