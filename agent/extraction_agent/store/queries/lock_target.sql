-- What attaching needs, taken before the indexes are built: to wait for it afterwards could throw their work away.
LOCK TABLE {target} IN SHARE UPDATE EXCLUSIVE MODE
