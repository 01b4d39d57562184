-- A backend whose client is gone ends within a second even while it builds an index. Not offered on every platform.
SET client_connection_check_interval = '1s'
