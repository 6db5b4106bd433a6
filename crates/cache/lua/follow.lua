-- Moves an entry to a clock that has stepped back behind it.
-- Returns {the fields of `last`, now us}
follow()
if redis.call('EXISTS', KEYS[1]) == 1 then repeat_token() end
return {redis.call('HGETALL', KEYS[1]), text(now)}
