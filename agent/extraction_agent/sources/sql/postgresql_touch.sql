-- Some work, 0.12 ms, and not only a way there and back: of that a core that must first wake up is the most.
SELECT count(*) FROM generate_series(1, 2000)
