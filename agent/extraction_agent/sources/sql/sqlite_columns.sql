-- All columns in order, generated ones too; hidden ones of virtual tables not.
SELECT name, type, "notnull", pk FROM pragma_table_xinfo(:name) WHERE hidden <> 1 ORDER BY cid
