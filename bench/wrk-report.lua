-- Tells wrk to walk through the paths given after `--`, and to print its figures as one line of JSON.
-- POST_BODY, if not empty, is sent to them; answers without POST_EXPECTED then count as failed.
local requests = {}
local at = 0
local body = os.getenv("POST_BODY")
local expected = os.getenv("POST_EXPECTED")
local threads = {}
unexpected = 0

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  for _, path in ipairs(args) do
    requests[#requests + 1] = body == "" and wrk.format("GET", path) or wrk.format("POST", path, nil, body)
  end
end

if expected ~= "" then
  function response(_, _, answer)
    if not string.find(answer, expected, 1, true) then unexpected = unexpected + 1 end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local errors = summary.errors
  local refused = 0
  for _, thread in ipairs(threads) do refused = refused + thread:get("unexpected") end
  io.write(string.format(
    'RESULT {"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"failed":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.timeout + errors.status + refused
  ))
end
