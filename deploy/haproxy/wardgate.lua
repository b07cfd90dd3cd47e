-- Asks Wardgate by forward-auth whether HAProxy may forward a request (docs/forward-auth/haproxy.md):
--
--     http-request lua.wardgate 127.0.0.1:8082
--
-- A request that is permitted goes on with the identity of its key. Any other one gets Wardgate's
-- answer, and 503 where there is none. Needs HAProxy 2.6 or newer, for its HTTP client in Lua.

-- HAProxy 2.6 crashes where its HTTP client is given more fields than it can hold (100).
local MOST_FIELDS = 80
local TIMEOUT = 10000 -- milliseconds; a key that is used for the first time takes some

-- Fields of the client that are not passed on in a question: those that are about its connection or
-- its body, and those that a proxy tells itself.
local OWN = {
    ["connection"] = true, ["content-length"] = true, ["expect"] = true, ["forwarded"] = true,
    ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
    ["transfer-encoding"] = true, ["upgrade"] = true, ["x-real-ip"] = true,
}
-- Fields of an answer that HAProxy writes itself.
local WRITTEN = { ["connection"] = true, ["content-length"] = true, ["date"] = true }
local IDENTITY = {
    "x-wardgate-key", "x-wardgate-account", "x-wardgate-environment", "x-wardgate-role",
    "x-request-id",
}

local function starts(name, prefix)
    return name:sub(1, #prefix) == prefix
end

local function target_of(txn)
    -- As it was sent. HTTP/2 and 3 have no target in one piece, so there it is put together.
    if starts(txn.sf:req_ver(), "1") then
        return txn.sf:url()
    end
    return txn.sf:pathq()
end

local function question(txn)
    local fields, count = {}, 0
    for name, values in pairs(txn.http:req_get_headers()) do
        for _ in pairs(values) do
            count = count + 1
        end
        if count > MOST_FIELDS then
            return nil
        end
        if not (OWN[name] or starts(name, "x-forwarded-") or starts(name, "x-original-")) then
            fields[name] = values
        end
    end
    fields["x-original-method"] = { txn.sf:method() }
    fields["x-original-uri"] = { target_of(txn) }
    fields["x-forwarded-for"] = { tostring(txn.f:src()) }
    return fields
end

local function refuse(txn, status, answer)
    local reply = txn:reply()
    if not answer or not answer.status or answer.status < 400 then
        reply:set_status(status)
    else
        reply:set_status(answer.status, answer.reason)
        for name, values in pairs(answer.headers) do
            if not WRITTEN[name] then
                for _, value in pairs(values) do
                    reply:add_header(name, value)
                end
            end
        end
        if txn.sf:method() ~= "HEAD" then
            reply:set_body(answer.body or "")
        end
    end
    txn:done(reply)
end

core.register_action("wardgate", { "http-req" }, function(txn, address)
    local fields = question(txn)
    if not fields then
        refuse(txn, 431)
        return
    end
    local answer = core.httpclient():get {
        url = "http://" .. address .. "/", headers = fields, timeout = TIMEOUT,
    }
    if not answer or answer.status ~= 200 then
        refuse(txn, 503, answer)
        return
    end
    for _, name in ipairs(IDENTITY) do
        local values = answer.headers[name]
        txn.http:req_del_header(name)
        if values then
            txn.http:req_set_header(name, values[0] or values[1])
        end
    end
end, 1)
