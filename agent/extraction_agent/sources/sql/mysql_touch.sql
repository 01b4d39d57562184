-- Some work, and not only a way there and back: a statement without any is served between two turns of the busy.
SELECT BENCHMARK(20000, CRC32('extraction'))
