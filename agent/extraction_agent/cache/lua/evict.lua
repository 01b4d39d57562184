-- KEYS: entry, ticket. ARGV: server.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if server == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) end
return {server}
