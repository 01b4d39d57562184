-- What every session at a source pins, so that the same row has the same bytes whoever reads it, and none is left out.
SET SESSION
    time_zone = '+00:00',
    sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION',
    sql_select_limit = 18446744073709551615,
    sql_big_selects = 1,
    net_write_timeout = 600,
    wait_timeout = 28800,
    lock_wait_timeout = 10,
    innodb_lock_wait_timeout = 10
