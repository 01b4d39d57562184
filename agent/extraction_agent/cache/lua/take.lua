-- KEYS: entry, ticket. ARGV: server, ticket, its life in ms. Answers who answers, and the entry.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if server ~= ARGV[1] then return {server} end
local value = redis.call('GET', KEYS[1])
if not value then redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3]) end
return {server, value}
