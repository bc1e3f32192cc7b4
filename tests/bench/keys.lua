-- SPDX-License-Identifier: Apache-2.0
-- For wrk: every request presents the next key of a file. `wrk -s keys.lua URL -- FILE [once]`; with "once" it ends
-- when as many answers have come as there are keys, and says how many there were and how many were not 200.

local keys, at, once = {}, 0, false
local answers, others = 0, 0
local head

function init(args)
    for key in io.lines(args[1]) do keys[#keys + 1] = key end
    once = args[2] == "once"
    head = "GET " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\nAuthorization: Bearer "
end

function request()
    at = at % #keys + 1
    return head .. keys[at] .. "\r\n\r\n"
end

function response(status)
    answers = answers + 1
    if status ~= 200 then others = others + 1 end
    if once and answers >= #keys then
        print(answers .. " answers, " .. others .. " others")
        os.exit(0)
    end
end
