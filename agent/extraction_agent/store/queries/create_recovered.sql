-- Rows that the source still has and the store lacks pass through here, so that the server shows them as JSON.
CREATE TEMPORARY TABLE recovered AS SELECT {columns} FROM {table} WITH NO DATA
