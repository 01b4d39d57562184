-- A backend whose client is gone ends within a second even while it computes. Not offered on every platform.
SET client_connection_check_interval = '1s';
