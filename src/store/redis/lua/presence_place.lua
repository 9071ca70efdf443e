-- Shared by the scripts of a place: a user, or a room.
--
-- KEYS[1]  its members: <process lease><field> by their ends, ms since 1970. A field is a socket's
--          name in the place, a process lease 16 letters
-- KEYS[2]  by their fields <process lease><version>:<end>:<when it was set>:<metadata>
-- KEYS[3]  of a user: when it was last seen, and under which process lease
local members, records, last_seen = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local LIFE = 16
-- Expires only by its TTL.
local NO_LIFE = '----------------'
-- 30 days.
local LAST_SEEN_TTL = 2592000000

-- The number of records for which one script restores the members.
local MOST_MENDED = 1000

-- Each script adds to both keys and removes from both, so their sizes differ if only one of them
-- was lost, for example by eviction. Members are restored from their records. Nothing is known of a
-- member without its record, not even whether it is about to be removed: it is no longer present
-- until its process sets it again.
local function mend()
  if redis.call('ZCARD', members) > 0 or redis.call('HLEN', records) > MOST_MENDED then
    if type(redis.pcall('UNLINK', members, records)) == 'table' then
      redis.call('DEL', members, records)
    end
    return
  end
  for _, field in ipairs(redis.call('HKEYS', records)) do
    local life, ends = string.match(redis.call('HGET', records, field), '^(................)%d+:(%d+):')
    redis.call('ZADD', members, ends, life .. field)
  end
  redis.call('PEXPIRE', members, redis.call('PTTL', records))
end

local size = redis.call('ZCARD', members)
if size ~= redis.call('HLEN', records) then
  mend()
  size = redis.call('ZCARD', members)
end

local function record(field)
  local text = redis.call('HGET', records, field)
  if not text then
    return nil
  end
  local life, version, ends, metadata = string.match(text, '^(................)(%d+):(%d+):%d+:(.*)$')
  return {life = life, version = tonumber(version), ends = tonumber(ends), metadata = metadata}
end

-- The user may not be allowed to publish; that is no reason to do nothing.
local function tell(channel, news)
  if channel ~= '' then
    redis.pcall('PUBLISH', channel, news)
  end
end

local function see(life)
  if last_seen then
    redis.call('SET', last_seen, now .. ':' .. life, 'PX', LAST_SEEN_TTL)
  end
end

-- Removes some of the sockets whose time has passed.
local function sweep(most)
  local ended = redis.call('ZRANGEBYSCORE', members, '-inf', now, 'LIMIT', 0, most)
  if #ended > 0 then
    redis.call('ZREM', members, unpack(ended))
    for i = 1, #ended do
      ended[i] = string.sub(ended[i], LIFE + 1)
    end
    redis.call('HDEL', records, unpack(ended))
  end
end
