-- Sends the same request each time. With the argument `varied`, the value of one field differs each
-- time, and with `paths` the end of the path; with `post`, there is a body of 1 KiB. Prints what wrk
-- measured as one line of JSON.

function init(args)
  if args[1] == "post" then
    wrk.method, wrk.body = "POST", string.rep("x", 1024)
  end
  if args[1] == "varied" then
    wrk.headers["X-Trace"] = "@"
  elseif args[1] == "paths" then
    wrk.path = wrk.path .. "/@"
  else
    return
  end
  local before, after = wrk.format():match("^(.-)@(.*)$")
  local number = 0
  function request()
    number = number + 1
    return before .. string.format("%032x", number) .. after
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"answers":%d,"seconds":%.6f,"failed":%d,"not_ok":%d,"p50_us":%.1f,"p99_us":%.1f}\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50), latency:percentile(99)
  ))
end
