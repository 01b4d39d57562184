"""Every wait in the program ends by one of these. All in seconds; tests shrink them."""

CONNECT = 10.0  # open a connection, log-in included
STATEMENT = 30.0  # a short statement: catalog, chunk state, commit
PLAN = 300.0  # sample a relation, check a key, EXPLAIN
PROBE = 1.0  # one look at a database, log-in included: one that takes longer is in distress, or away
STALL = 60.0  # a COPY stream that moves no byte; a statement that streams may compute this long first
INDEX = 6 * 3600.0  # index and attach one part
INDEX_LOCK = 30.0  # a lock, or another's transaction, that building an index waits for at once: a chunk's, say
INDEX_PAUSE = 30.0  # the longest pause between two tries of an index that others stood in the way of
INDEX_LOOK = 0.5  # how often it is looked how far a build is
INDEX_SWEEP = 10.0  # how often an agent looks for indexes that an aborted rollout has left in the store
CANCEL = 1.0  # from the request to stop until a relay has let go
LET_GO = 2.0  # the same until its chunk is back in the queue
TERMINATE = 5.0  # pg_terminate_backend of a lost attempt
NETWORK_DEAD = 20.0  # tcp_user_timeout: unacknowledged bytes on a dead network

HEARTBEAT = 2.0  # an agent's sign of life in the store
STALLED = 6.0  # without one for this long, its jobs are handed on
REAP = 1.0  # how often stalled jobs are looked for
RECONCILE = 2.0  # how often unfinished chunks without a live job are looked for
ORPHANED = 60.0  # how long a chunk without a job is left to a backend that still works on it
SNAPSHOT_PING = 5.0  # how often the holder of a snapshot looks whether it stands
ROOM = 0.1  # how often it is looked whether a source that had no room for another chunk has some now
UNREACHED = 90.0  # an agent that has not reached a source for this long fails its extraction, unless others reach it
REACHED_LATELY = 180.0  # a chunk that anybody has begun or done within says that it can be reached
POLL = 1.0  # how often an agent asks for work without being notified
SAMPLE = 5.0  # one round of a sampler, log-in included
SAMPLE_EVERY = 10.0  # how often a sampler looks
AUDIT_EVERY = 60.0  # how often an agent looks at a part of the audit log's chain
STORE_AWAY = 300.0  # how long a command waits for a store that is away before it leaves the rest to `resume`
SHUTDOWN = 3.0  # a worker that was asked to end

THREAD_IDLE = 60.0  # after which a thread beyond the core that has nothing to do ends
TURN = 10.0  # for a turn to plan an extraction, before a request is asked to come again
POOL_CHECK = 2.0  # a pooled connection's answer that it lives; the end of a transaction left open
POOL_RECONNECT = 4.0  # the longest pause between two attempts of a pool to open a connection
POOL_ROUND = 1.0  # how often a pool looks for leaks, old connections and callers in need

BODY = 10.0  # a request's body, from its first byte to its last
HANDSHAKE = 10.0  # of TLS, with a client
KEEP_ALIVE = 75.0  # a connection without a whole head of a request; longer than proxies keep theirs
LINGER = 5.0  # a body that nobody wants is still taken for this long, so that its sender reads why
UNREAD = 30.0  # an answer that its client does not read
TOKENS = 2.0  # read the valid tokens
PULSE = 0.5  # how often the loop and the store are felt for /liveness and /readiness
LATE = 120.0  # an agent that has not looked after the queue for this long, though the store answers, is stuck
STUCK = 5.0  # a loop that has not turned for this long is stuck
UNREADY = 1.5  # without a probe that succeeded for this long, the store counts as away

CACHE_CONNECT = 0.5  # a connection to Redis, TLS included
CACHE = 0.1  # one call of Redis: a request that meets a dead one is answered by the store, and still in time
CACHE_LEASE = 1.0  # how long an agent takes cached configs for valid without asking the store
CACHE_ADOPT = 5.0  # how long an agent has seen no cache, or another's, in use before it puts its own to use

AGENT = 60.0  # a command's request to an agent, from the first byte sent to the last received
AGENT_PLANS = 330.0  # the same where it plans an extraction before it answers
AGENT_BUSY = 60.0  # how long a command asks again an agent that has no room for its request
AGENT_AWAY = 300.0  # how long `watch` waits for an agent that is away

SCHEDULE = 1.0  # how often an agent looks for what is due, while something is
SCHEDULE_IDLE = 5.0  # the same while nothing is; a new schedule is noticed within
SCHEDULE_LATE = 60.0  # fired later than this after it was due, a time was missed
SCHEDULE_AGAIN = 30.0  # until the next try of a time whose source was away
SCHEDULE_GIVE_UP = 900.0  # after it was due, a time whose source is still away has failed

TRIAL = 0.5  # how often an agent looks at its guards and its deadline during a trial
TRIAL_IDLE = 1.0  # the same without one
RECORD = 2.0  # one question to the store's record of rollouts, log-in included
RECORD_EVERY = 1.0  # how often it is asked during a trial
RECORD_IDLE = 2.0  # the same without one; a host joins what was committed within
OVERDUE = 15.0  # a trial that has not ended this long after its deadline is stuck
