-- Several statements of one read view, where the engine has such.
START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
