CREATE TABLE flights (
    id bigint GENERATED ALWAYS AS IDENTITY,
    year int, month int, day int,
    dep_time int, sched_dep_time int, dep_delay int, arr_time int, sched_arr_time int, arr_delay int,
    carrier text, flight int, tailnum text, origin text, dest text,
    air_time int, distance int, hour int, minute int, time_hour timestamptz,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
