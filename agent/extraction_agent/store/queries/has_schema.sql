SELECT to_regclass('extraction_schema') IS NOT NULL
