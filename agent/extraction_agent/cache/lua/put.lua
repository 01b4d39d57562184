-- KEYS: entry, ticket. ARGV: server, ticket, entry, its life in ms. An eviction has taken the ticket away.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if server == ARGV[1] and redis.call('GET', KEYS[2]) == ARGV[2] then
    redis.call('DEL', KEYS[2])
    redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return {server}
