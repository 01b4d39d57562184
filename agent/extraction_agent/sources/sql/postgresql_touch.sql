-- Some work, and not only a way there and back: a statement without any is served between two turns of the busy.
SELECT count(*) FROM generate_series(1, 1000)
