# SPDX-License-Identifier: Apache-2.0
"""Malformed, oversized, wrong-typed, duplicated, mis-encoded, out of range: each gets the right 4xx
and a problem that names what is wrong, and nothing changes."""
import gzip
import http.client

from lib import Client, Daemon, Failed, check, digests, equal, raw

CHANNEL = "/v1/channels/2/bad-input"
MESSAGES = CHANNEL + "/messages"
DELETES = CHANNEL + "/deletes"
TEXT = {"Content-Type": "text/plain"}
BIG = "9223372036854775808"  # 2^63

# method, target, body, headers, status, code, words of the detail
CASES = [
    # channel names
    ("GET", "/v1/channels/256/a/messages", None, None, 400, "bad_channel", "channel_type"),
    ("GET", "/v1/channels/-1/a/messages", None, None, 400, "bad_channel", "channel_type"),
    ("GET", "/v1/channels/02/a/messages", None, None, 400, "bad_channel", "channel_type"),
    ("GET", "/v1/channels/x/a/messages", None, None, 400, "bad_channel", "channel_type"),
    ("GET", "/v1/channels//a/messages", None, None, 400, "bad_channel", "channel_type"),
    ("GET", "/v1/channels/1//messages", None, None, 400, "bad_channel", "channel_id"),
    ("DELETE", "/v1/channels/2/bad-input%00x", None, None, 400, "bad_channel", "control"),
    ("DELETE", "/v1/channels/2/bad-input%0A", None, None, 400, "bad_channel", "control"),
    ("GET", "/v1/channels/1/%C2%85/messages", None, None, 400, "bad_channel", "control"),
    ("GET", "/v1/channels/1/%7f/messages", None, None, 400, "bad_channel", "control"),
    ("GET", "/v1/channels/1/%ff/messages", None, None, 400, "bad_channel", "UTF-8"),
    ("GET", "/v1/channels/1/%c0%af/messages", None, None, 400, "bad_channel", "UTF-8"),
    ("GET", "/v1/channels/1/%ed%a0%80/messages", None, None, 400, "bad_channel", "UTF-8"),
    ("GET", "/v1/channels/1/" + "x" * 256 + "/messages", None, None, 400, "bad_channel", "255"),
    ("GET", "/v1/channels/1/%zz/messages", None, None, 400, "bad_request", "escape"),
    ("GET", "/v1/channels/1/a%4/messages", None, None, 400, "bad_request", "escape"),
    ("POST", "/v1/channels/1/%00/messages", '{"payload":""}', None, 400, "bad_channel", "control"),
    # JSON that is none
    ("POST", MESSAGES, "", None, 400, "bad_json", "empty"),
    ("POST", MESSAGES, "{", None, 400, "bad_json", "line 1"),
    ("POST", MESSAGES, '{"payload":""', None, 400, "bad_json", ""),
    ("POST", MESSAGES, '{"payload":"",}', None, 400, "bad_json", "key"),
    ("POST", MESSAGES, "{'payload':''}", None, 400, "bad_json", "key"),
    ("POST", MESSAGES, '{"payload":""} x', None, 400, "bad_json", "behind"),
    ("POST", MESSAGES, '{"payload":"","payload":""}', None, 400, "bad_json", "duplicate"),
    ("POST", MESSAGES, '{"payload":"","\\u0070ayload":""}', None, 400, "bad_json", "duplicate"),
    ("POST", MESSAGES, '{"payload":{"a":1,"a":2},"payload_encoding":"json"}', None, 400, "bad_json",
     "duplicate"),
    ("POST", MESSAGES, b'{"payload":"\xff"}', None, 400, "bad_json", "UTF-8"),
    ("POST", MESSAGES, '{"payload":"\\ud800","payload_encoding":"utf8"}', None, 400, "bad_json", "\\u"),
    ("POST", MESSAGES, '{"payload":"\n"}', None, 400, "bad_json", "control"),
    ("POST", MESSAGES, '{"payload":NaN,"payload_encoding":"json"}', None, 400, "bad_json", ""),
    ("POST", MESSAGES, '{"payload":01,"payload_encoding":"json"}', None, 400, "bad_json", "zero"),
    ("POST", MESSAGES, '\ufeff{"payload":""}', None, 400, "bad_json", ""),
    ("POST", MESSAGES, '{"payload":' + "[" * 100 + "]" * 100 + ',"payload_encoding":"json"}', None,
     413, "too_large", "64 levels"),
    ("POST", MESSAGES, "[" * 100000, None, 413, "too_large", "64 levels"),
    # JSON that is something else
    ("POST", MESSAGES, "[]", None, 400, "bad_parameter", "object"),
    ("POST", MESSAGES, '"text"', None, 400, "bad_parameter", "object"),
    ("POST", MESSAGES, "null", None, 400, "bad_parameter", "object"),
    ("POST", MESSAGES, "{}", None, 400, "bad_parameter", "'payload'"),
    ("POST", MESSAGES, '{"payload":1}', None, 400, "bad_parameter", "'payload'"),
    ("POST", MESSAGES, '{"payload":null}', None, 400, "bad_parameter", "'payload'"),
    ("POST", MESSAGES, '{"payload":["a"]}', None, 400, "bad_parameter", "'payload'"),
    ("POST", MESSAGES, '{"payload":"a"}', None, 400, "bad_parameter", "base64"),
    ("POST", MESSAGES, '{"payload":"aGk"}', None, 400, "bad_parameter", "base64"),
    ("POST", MESSAGES, '{"payload":"aGl="}', None, 400, "bad_parameter", "base64"),
    ("POST", MESSAGES, '{"payload":"aG k="}', None, 400, "bad_parameter", "base64"),
    ("POST", MESSAGES, '{"payload":"_-=="}', None, 400, "bad_parameter", "base64"),
    ("POST", MESSAGES, '{"payload":"","payload_encoding":"hex"}', None, 400, "bad_parameter",
     "payload_encoding"),
    ("POST", MESSAGES, '{"payload":"","payload_encoding":1}', None, 400, "bad_parameter",
     "payload_encoding"),
    ("POST", MESSAGES, '{"payload":1,"payload_encoding":"utf8"}', None, 400, "bad_parameter", "'payload'"),
    ("POST", MESSAGES, '{"payload":"","from_uid":1}', None, 400, "bad_parameter", "from_uid"),
    ("POST", MESSAGES, '{"payload":"","from_uid":"' + "x" * 256 + '"}', None, 400, "bad_parameter", "255"),
    ("POST", MESSAGES, '{"payload":"","from_uid":"a\\u0000"}', None, 400, "bad_parameter", "control"),
    ("POST", MESSAGES, '{"payload":"","client_msg_no":""}', None, 400, "bad_parameter", "client_msg_no"),
    ("POST", MESSAGES, '{"payload":"","client_msg_no":{}}', None, 400, "bad_parameter", "client_msg_no"),
    ("POST", MESSAGES, '{"payload":"","client_msg_no":"' + "x" * 129 + '"}', None, 400, "bad_parameter",
     "128"),
    ("POST", MESSAGES, '{"payload":"","expected_last_seq":-1}', None, 400, "bad_parameter",
     "expected_last_seq"),
    ("POST", MESSAGES, '{"payload":"","expected_last_seq":"1"}', None, 400, "bad_parameter",
     "expected_last_seq"),
    ("POST", MESSAGES, '{"payload":"","expected_last_seq":1.0}', None, 400, "bad_parameter",
     "expected_last_seq"),
    ("POST", MESSAGES, '{"payload":"","expected_last_seq":%s}' % BIG, None, 400, "bad_parameter",
     "expected_last_seq"),
    ("POST", MESSAGES, '{"payload":"","expected_last_seq":true}', None, 400, "bad_parameter",
     "expected_last_seq"),
    ("POST", MESSAGES + "?from_uid=x", '{"payload":""}', None, 400, "bad_parameter", "raw body"),
    ("POST", MESSAGES + "?colour=red", '{"payload":""}', None, 400, "bad_parameter", "'colour'"),
    ("POST", MESSAGES + "?client_msg_no=", "x", TEXT, 400, "bad_parameter", "client_msg_no"),
    ("POST", MESSAGES + "?client_msg_no=" + "x" * 129, "x", TEXT, 400, "bad_parameter", "128"),
    ("POST", MESSAGES + "?expected_last_seq=x", "x", TEXT, 400, "bad_parameter", "expected_last_seq"),
    ("POST", MESSAGES + "?from_uid=a&from_uid=b", "x", TEXT, 400, "bad_parameter", "twice"),
    # body types
    ("POST", MESSAGES, "payload=aGk%3D", {"Content-Type": "application/x-www-form-urlencoded"}, 415,
     "unsupported_media_type", "x-www-form-urlencoded"),
    ("POST", MESSAGES, "<a/>", {"Content-Type": "application/xml"}, 415, "unsupported_media_type", "xml"),
    ("POST", MESSAGES, "x", {"Content-Type": "multipart/form-data; boundary=x"}, 415,
     "unsupported_media_type", "multipart"),
    ("POST", MESSAGES, '{"payload":""}', {"Content-Type": "application/json; charset=latin1"}, 415,
     "unsupported_media_type", "UTF-8"),
    ("POST", MESSAGES, '{"payload":""}', {"Content-Type": "application/x-ndjson"}, 415,
     "unsupported_media_type", "ndjson"),
    ("POST", MESSAGES + ":batch", "x", TEXT, 415, "unsupported_media_type", "text/plain"),
    ("POST", DELETES, "x", TEXT, 415, "unsupported_media_type", "text/plain"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=2", '{"start_seq":1}', None, 415,
     "unsupported_media_type", "no body"),
    ("DELETE", CHANNEL, "{}", None, 415, "unsupported_media_type", "no body"),
    ("GET", MESSAGES, "{}", None, 415, "unsupported_media_type", "no body"),
    ("POST", MESSAGES, gzip.compress(b"hi"), {**TEXT, "Content-Encoding": "gzip"}, 415,
     "unsupported_media_type", "'Content-Encoding' is 'gzip'"),
    ("POST", MESSAGES, '{"payload":""}', {"Content-Type": "application/json", "Content-Encoding": "br"}, 415,
     "unsupported_media_type", "'Content-Encoding' is 'br'"),
    ("POST", MESSAGES + ":batch", '{"messages":[]}',
     {"Content-Type": "application/json", "Content-Encoding": "identity, gzip"}, 415,
     "unsupported_media_type", "'identity, gzip'"),
    ("POST", DELETES, '{"through_seq":1}', {"Content-Type": "application/json", "Content-Encoding": "x"}, 415,
     "unsupported_media_type", "'x'"),
    # targets
    ("DELETE", CHANNEL + "#x", None, None, 400, "bad_request", "'%23'"),
    ("GET", MESSAGES + "?limit=1#x", None, None, 400, "bad_request", "'%23'"),
    ("GET", "http:///livez", None, None, 400, "bad_request", "'/'"),
    ("GET", "ftp://x/livez", None, None, 400, "bad_request", "'/'"),
    # sizes
    ("POST", MESSAGES, "x" * (1024 * 1024 + 1), TEXT, 413, "too_large", "'max_message_bytes' 1048576"),
    ("POST", MESSAGES, '{"payload":"' + "A" * (1398104 + 4) + '"}', None, 413, "too_large",
     "'max_message_bytes' 1048576"),
    ("POST", MESSAGES, "x" * (8 * 1024 * 1024 + 1), TEXT, 413, "too_large",
     "'http.max_body_bytes' 8388608"),
    ("GET", MESSAGES + "?cursor=" + "x" * 20000, None, None, 431, "headers_too_large", "16384"),
    # reads
    ("GET", MESSAGES + "?from_seq=0", None, None, 400, "bad_parameter", "from_seq"),
    ("GET", MESSAGES + "?from_seq=-1", None, None, 400, "bad_parameter", "from_seq"),
    ("GET", MESSAGES + "?from_seq=" + BIG, None, None, 400, "bad_parameter", "from_seq"),
    ("GET", MESSAGES + "?to_seq=0", None, None, 400, "bad_parameter", "to_seq"),
    ("GET", MESSAGES + "?before_seq=0", None, None, 400, "bad_parameter", "before_seq"),
    ("GET", MESSAGES + "?after_seq=x", None, None, 400, "bad_parameter", "after_seq"),
    ("GET", MESSAGES + "?from_seq=5&to_seq=4", None, None, 422, "bad_range", "5"),
    ("GET", MESSAGES + "?after_seq=5&before_seq=4", None, None, 422, "bad_range", ""),
    ("GET", MESSAGES + "?from_seq=1&after_seq=1", None, None, 400, "bad_parameter", "exclude"),
    ("GET", MESSAGES + "?to_seq=1&before_seq=1", None, None, 400, "bad_parameter", "exclude"),
    ("GET", MESSAGES + "?limit=0", None, None, 400, "bad_parameter", "limit"),
    ("GET", MESSAGES + "?limit=10001", None, None, 400, "bad_parameter", "10000"),
    ("GET", MESSAGES + "?limit=5&limit=5", None, None, 400, "bad_parameter", "twice"),
    ("GET", MESSAGES + "?limit=5&Limit=5", None, None, 400, "bad_parameter", "'Limit'"),
    ("GET", MESSAGES + "?limit=%ff", None, None, 400, "bad_parameter", "UTF-8"),
    ("GET", MESSAGES + "?limit=%5", None, None, 400, "bad_parameter", "escape"),
    ("GET", MESSAGES + "?order=up", None, None, 400, "bad_parameter", "order"),
    ("GET", MESSAGES + "?seqs=", None, None, 400, "bad_parameter", "seqs"),
    ("GET", MESSAGES + "?seqs=1,,2", None, None, 400, "bad_parameter", "seqs"),
    ("GET", MESSAGES + "?seqs=0", None, None, 400, "bad_parameter", "seqs"),
    ("GET", MESSAGES + "?seqs=1&from_seq=1", None, None, 400, "bad_parameter", "exclude"),
    ("GET", MESSAGES + "?seqs=" + ",".join(["1"] * 1001), None, None, 413, "too_large", "1000"),
    ("GET", MESSAGES + "?client_msg_no=x&limit=1", None, None, 400, "bad_parameter", "exclude"),
    ("GET", MESSAGES + "?from_uid=x", None, None, 400, "bad_parameter", "client_msg_no"),
    ("GET", MESSAGES + "?consistency=eventual", None, None, 400, "bad_parameter", "consistency"),
    # deletes
    ("DELETE", MESSAGES, None, None, 400, "bad_parameter", "start_seq"),
    ("DELETE", MESSAGES + "?start_seq=1", None, None, 400, "bad_parameter", "end_seq"),
    ("DELETE", MESSAGES + "?end_seq=1", None, None, 400, "bad_parameter", "start_seq"),
    ("DELETE", MESSAGES + "?start_seq=0&end_seq=1", None, None, 400, "bad_parameter", "start_seq"),
    ("DELETE", MESSAGES + "?start_seq=-1&end_seq=1", None, None, 400, "bad_parameter", "start_seq"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=" + BIG, None, None, 400, "bad_parameter", "end_seq"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=1e1", None, None, 400, "bad_parameter", "end_seq"),
    ("DELETE", MESSAGES + "?start_seq=3&end_seq=2", None, None, 422, "bad_range", "3"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=99", None, None, 422, "end_beyond_last", ""),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=2&end_seq=3", None, None, 400, "bad_parameter", "twice"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=2&endseq=3", None, None, 400, "bad_parameter", "'endseq'"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=2&dry_run=maybe", None, None, 400, "bad_parameter",
     "dry_run"),
    ("DELETE", MESSAGES + "?start_seq=1&end_seq=2&reason=" + "x" * 257, None, None, 400, "bad_parameter",
     "256"),
    ("POST", DELETES, "{}", None, 400, "bad_parameter", "one of"),
    ("POST", DELETES, "[]", None, 400, "bad_json", "object"),
    ("POST", DELETES, '{"start_seq":1}', None, 400, "bad_parameter", "end_seq"),
    ("POST", DELETES, '{"start_seq":0,"end_seq":1}', None, 400, "bad_parameter", "start_seq"),
    ("POST", DELETES, '{"start_seq":1,"end_seq":"2"}', None, 400, "bad_parameter", "end_seq"),
    ("POST", DELETES, '{"start_seq":1,"end_seq":2.0}', None, 400, "bad_parameter", "end_seq"),
    ("POST", DELETES, '{"start_seq":1,"end_seq":%s}' % BIG, None, 400, "bad_parameter", "end_seq"),
    ("POST", DELETES, '{"start_seq":2,"end_seq":1}', None, 422, "bad_range", "2"),
    ("POST", DELETES, '{"start_seq":1,"end_seq":2,"end_seq":3}', None, 400, "bad_json", "duplicate"),
    ("POST", DELETES, '{"start_seq":1,"end_seq":2,"seqs":[1]}', None, 400, "bad_parameter", "one of"),
    ("POST", DELETES, '{"through_seq":1,"keep":1}', None, 400, "bad_parameter", "one of"),
    ("POST", DELETES, '{"ranges":[]}', None, 400, "bad_parameter", "ranges"),
    ("POST", DELETES, '{"ranges":[1,2]}', None, 400, "bad_parameter", "ranges"),
    ("POST", DELETES, '{"ranges":[[1]]}', None, 400, "bad_parameter", "ranges"),
    ("POST", DELETES, '{"ranges":[[1,2,3]]}', None, 400, "bad_parameter", "ranges"),
    ("POST", DELETES, '{"ranges":[[0,1]]}', None, 400, "bad_parameter", "ranges"),
    ("POST", DELETES, '{"ranges":[[2,1]]}', None, 422, "bad_range", "2"),
    ("POST", DELETES, '{"seqs":[]}', None, 400, "bad_parameter", "seqs"),
    ("POST", DELETES, '{"seqs":[0]}', None, 400, "bad_parameter", "seqs"),
    ("POST", DELETES, '{"seqs":["1"]}', None, 400, "bad_parameter", "seqs"),
    ("POST", DELETES, '{"seqs":7}', None, 400, "bad_parameter", "seqs"),
    ("POST", DELETES, '{"through_seq":0}', None, 400, "bad_parameter", "through_seq"),
    ("POST", DELETES, '{"keep":-1}', None, 400, "bad_parameter", "keep"),
    ("POST", DELETES, '{"keep":"all"}', None, 400, "bad_parameter", "keep"),
    ("POST", DELETES, '{"before":"yesterday"}', None, 400, "bad_parameter", "before"),
    ("POST", DELETES, '{"before":-5}', None, 400, "bad_parameter", "before"),
    ("POST", DELETES, '{"through_seq":1,"dry_run":1}', None, 400, "bad_parameter", "dry_run"),
    ("POST", DELETES, '{"through_seq":1,"clamp":"yes"}', None, 400, "bad_parameter", "clamp"),
    ("POST", DELETES, '{"through_seq":1,"reason":1}', None, 400, "bad_parameter", "reason"),
    ("POST", DELETES, '{"through_seq":1,"operator":"' + "x" * 257 + '"}', None, 400, "bad_parameter",
     "256"),
    ("POST", DELETES + "?clamp=2", '{"through_seq":1}', None, 400, "bad_parameter", "clamp"),
    # batches
    ("POST", MESSAGES + ":batch?atomic=2", '{"messages":[]}', None, 400, "bad_parameter", "atomic"),
    ("POST", "/v1/messages:batch?atomic=1", '{"messages":[]}', None, 400, "bad_parameter", "'atomic'"),
    ("POST", MESSAGES + ":batch", '{"messages":[' + "1," * 70000 + "1]}", None, 413, "too_large", "values"),
    # tables
    ("GET", "/v1/channels?columns=slot", None, None, 400, "bad_parameter", "text/plain"),
    ("GET", "/v1/deletes?columns=slot", None, {"Accept": "text/csv"}, 400, "bad_parameter", "text/plain"),
    ("GET", DELETES + "?columns=slot", None, None, 400, "bad_parameter", "text/plain"),
    ("GET", "/v1/channels?columns=slot,colour", None, {"Accept": "text/plain"}, 400, "bad_parameter", "'colour'"),
    ("GET", "/v1/deletes?columns=", None, {"Accept": "text/plain"}, 400, "bad_parameter", "columns"),
    # others
    ("GET", "/v1/nodes/x", None, None, 400, "bad_parameter", "'id'"),
    ("GET", "/v1/slots/x", None, None, 400, "bad_parameter", "'slot'"),
    ("GET", "/livez?x=1", None, None, 400, "bad_parameter", "'x'"),
    ("POST", "/v1/admin/slots/1/transfer-leader", '{"to":"2"}', None, 400, "bad_parameter", "'to'"),
    ("POST", "/v1/admin/slots/1/transfer-leader", "[]", None, 400, "bad_json", "object"),
]


def test_cases(daemon):
    client = Client(daemon)
    client.fill((2, "bad-input"), 5)
    before = digests(daemon)
    faults = []
    for method, target, body, headers, status, code, words in CASES:
        try:
            reply = client.ask(method, target, body, headers)
            problem = reply.json if reply.body else {}
            got = (reply.status, problem.get("code"), words in problem.get("detail", ""))
            if got != (status, code, True):
                faults.append(f"{method} {target[:80]} {str(body)[:60]!r}: wanted {status} {code} "
                              f"'{words}', got {reply.status} {reply.body[:300]!r}")
        except (OSError, http.client.HTTPException) as fault:
            faults.append(f"{method} {target[:80]} {str(body)[:60]!r}: {fault!r}")
    if faults:
        raise Failed("\n  ".join([f"{len(faults)} of {len(CASES)}"] + faults))
    equal(digests(daemon), before, "the state after bad input")


def test_raw_requests(daemon):
    """Requests that a client library would not send."""
    before = digests(daemon)
    host = b"Host: x\r\n"
    post = b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\n" + host
    body = b'{"payload":""}'
    for data in [
            b"DELETE /v1/channels/2/bad-input\x00x HTTP/1.1\r\n" + host + b"\r\n",
            b"DELETE /v1/channels/2/bad-input\x00 HTTP/1.1\r\n" + host + b"\r\n",
            b"DELETE /v1/channels/2/bad-input\x00HTTP/1.1 HTTP/1.1\r\n" + host + b"\r\n",
            post + b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            post + b"Content-Length: 14\r\nContent-Length: 15\r\n\r\n" + body,
            post + b"Content-Length: -1\r\n\r\n" + body,
            post + b"Content-Length: 99999999999999999999\r\n\r\n" + body,
            post + b"Content-Length: 0x0e\r\n\r\n" + body,
            post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
            post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + body,
            b"GET /livez HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n",
            b"GET /livez HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
            b"GET livez HTTP/1.1\r\n" + host + b"\r\n",
            b"GET http://x HTTP/1.1\r\n" + host + b"\r\n",
            b"GET http:///livez HTTP/1.1\r\n" + host + b"\r\n",
            post + b"Content-Type: application/json\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 14\r\n\r\n" + body,
            b"GET " + b"/" * 60000 + b" HTTP/1.1\r\n" + host + b"\r\n"]:
        status, reply = raw(daemon, data, 5)
        check(status == 0 or 400 <= status < 500 or status == 501, data[:80], reply[:200])
    Client(daemon).get("/livez", expect=200)
    equal(digests(daemon), before, "the state after raw requests")


def test_expect_continue(daemon):
    """A body that is refused is refused before it is sent."""
    head = (b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
            b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
    status, reply = raw(daemon, head, 5)
    equal(status, 413, reply[:200])


def test_limits_from_configuration(_daemon):
    """Other limits than the defaults are kept and named."""
    small = Daemon("--http-max-body-bytes", "4096", "--http-max-message-bytes", "1000")
    try:
        client = Client(small)
        reply = client.post("/v1/channels/1/a/messages", "x" * 1001, TEXT, expect=413)
        check("1000" in reply.json["detail"], reply)
        reply = client.post("/v1/channels/1/a/messages", "x" * 4097, TEXT, expect=413)
        check("4096" in reply.json["detail"], reply)
        client.post("/v1/channels/1/a/messages", "x" * 1000, TEXT, expect=201)
    finally:
        small.stop()
