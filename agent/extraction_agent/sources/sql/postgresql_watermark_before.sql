-- The time some seconds before another, as a value of a column's type.
SELECT (%(low)s::timestamptz - make_interval(secs => %(seconds)s))::text
