-- The same flights under an earlier year: real rows, made more of, and said so.
INSERT INTO flights (
    year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay,
    carrier, flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour
)
SELECT
    year - %(years)s, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay,
    carrier, flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour - make_interval(years => %(years)s)
FROM flights
WHERE year = 2013
