-- As pg_get_indexdef writes it.
SELECT format(
    'CREATE INDEX %%I ON %%I.%%I USING btree (%%s)', %(name)s::text, %(schema)s::text, %(table)s::text,
    (SELECT string_agg(quote_ident(c), ', ' ORDER BY position)
     FROM unnest(%(columns)s::text[]) WITH ORDINALITY AS c (c, position))
)
