-- SPDX-License-Identifier: Apache-2.0
-- For wrk: asks with the keys of a file, one after the other, and reports every answer by status.
-- Arguments: the file, the path, milliseconds between two requests of a connection.
local keys, at, path, pause = {}, 0, "/", 0
answers, unexplained = {}, 0 -- global: done() gets them from the thread

function setup(thread)
    worker = thread
end

function init(args)
    for line in io.lines(args[1]) do
        keys[#keys + 1] = "Bearer " .. line
    end
    path, pause = args[2], tonumber(args[3])
end

function delay()
    return pause
end

function request()
    at = at % #keys + 1
    return wrk.format("GET", path, {Authorization = keys[at]})
end

function response(status, headers)
    local name = tostring(status)
    answers[name] = (answers[name] or 0) + 1
    if status == 503 and not headers["Retry-After"] then
        unexplained = unexplained + 1
    end
end

function done(summary, latency)
    local errors = summary.errors
    for status, count in pairs(worker:get("answers")) do
        io.write("answer ", status, " ", count, "\n")
    end
    io.write("slowest ", latency.max / 1000, "\n")
    io.write("unexplained ", worker:get("unexplained"), "\n")
    io.write("lost ", errors.connect + errors.read + errors.write + errors.timeout, "\n")
end
