-- Some work, 0.06 ms, and not only a way there and back: of that a core that must first wake up is the most.
SELECT count(*) FROM generate_series(1, 1000)
