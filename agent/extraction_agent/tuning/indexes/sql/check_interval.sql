-- A backend whose client was killed ends its build soon, and does not build on for nobody.
SET client_connection_check_interval = '1s'
