-- The program's own sessions cannot be told from others of its user, so all of that user are left out.
SELECT COALESCE(SUM(command NOT IN ('Sleep', 'Daemon', 'Binlog Dump') OR time < 2), 0),
       COALESCE(SUM(command NOT IN ('Sleep', 'Daemon', 'Binlog Dump')), 0),
       (SELECT MAX(TIMESTAMPDIFF(SECOND, trx_started, NOW())) FROM information_schema.innodb_trx
        WHERE trx_mysql_thread_id NOT IN (
            SELECT id FROM information_schema.processlist WHERE user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1)))
FROM information_schema.processlist
WHERE user NOT IN (SUBSTRING_INDEX(CURRENT_USER(), '@', 1), 'system user', 'event_scheduler')
