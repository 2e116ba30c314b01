# SPDX-License-Identifier: Apache-2.0
"""A client that keeps its connections and records every call in the history."""
import base64
import hashlib
import http.client
import json
import socket
from urllib.parse import quote, urlencode

from . import history as hist


def payload_of(number):
    """The payload of the message with this client_msg_no: any other one is damage."""
    seed = hashlib.sha256(number.encode()).hexdigest()
    size = 2000 if seed[0] == "0" else 24 + int(seed[1], 16) * 6
    return (number + ":" + seed * (1 + size // len(seed)))[:size]


def channel_path(channel):
    return f"/v1/channels/{channel[0]}/{quote(channel[1], safe='')}"


class Client:
    def __init__(self, history, name, slot_count, timeout=8):
        self.history, self.name, self.slot_count, self.timeout = history, name, slot_count, timeout
        self.connections = {}  # (node id, its start) -> HTTPConnection
        self.sent = 0
        self.sent_at = None
        self.seen = {}  # slot -> highest log index this client knows of

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    # ---- one call --------------------------------------------------------------------------------
    def exchange(self, node, method, path, body):
        """(status, code, reply or None, headers); status None: code says what happened instead."""
        key = (node.id, node.boot)
        connection = self.connections.get(key)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=self.timeout)
            try:
                connection.connect()
            except OSError:
                return None, "connect", None, {}
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[key] = connection
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body=json.dumps(body) if body is not None else None,
                               headers=headers)
            self.sent_at = hist.now()
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as problem:
            connection.close()
            del self.connections[key]
            code = "timeout" if isinstance(problem, TimeoutError) else "lost"
            return None, code, None, {}
        if response.will_close:
            connection.close()
            del self.connections[key]
        try:
            reply = json.loads(data) if data else None
        except ValueError:
            reply = None
        code = reply.get("code") if isinstance(reply, dict) else None
        return response.status, code, reply, response.headers

    def call(self, node, op, channel, args, method, path, body=None, fill=None):
        """Makes the call and records it; fill(record, reply) adds what a good reply says."""
        slot = hist.slot_of(channel[1], self.slot_count)
        record = {"op": op, "client": self.name, "node": node.id, "boot": node.boot,
                  "channel": list(channel), "slot": slot, "args": args, "start": hist.now()}
        self.sent_at = None
        status, code, reply, headers = self.exchange(node, method, path, body)
        record["end"] = hist.now()
        record["sent"] = self.sent_at  # all of the request is in the kernel's hands by then
        record["status"], record["code"] = status, code
        if headers and headers.get("Lethe-Applied-Index"):
            record["applied_index"] = int(headers["Lethe-Applied-Index"])
        if status is not None and 200 <= status < 300:
            try:
                fill(record, reply)
            except (KeyError, TypeError, AttributeError) as problem:
                record["bad_reply"] = f"{type(problem).__name__} {problem}: {reply}"[:500]
            index = max(record.get("log_index") or 0, record.get("applied_index") or 0)
            if record.get("slot") == slot and index:
                self.seen[slot] = max(self.seen.get(slot, 0), index)
        self.history.add(record)
        return record

    # ---- what can be asked -----------------------------------------------------------------------
    def new_number(self):
        """A client_msg_no that nobody used before."""
        self.sent += 1
        return f"{self.name}-{self.sent}"

    def item(self, number):
        return {"payload": base64.b64encode(payload_of(number).encode()).decode(),
                "from_uid": self.name, "client_msg_no": number}

    def append(self, node, channel, number=None, sender=None, expected=None):
        """One message. number: that of an earlier one makes it a retry."""
        number = number or self.new_number()
        body = self.item(number)
        body["from_uid"] = sender or self.name
        if expected is not None:
            body["expected_last_seq"] = expected
        args = {"items": [[body["from_uid"], number]], "expected": expected}

        def fill(record, reply):
            record.update(slot=reply["slot"], log_index=reply["log_index"],
                          seqs=[reply["message_seq"]], results=[result_of(record["status"], reply)])
        return self.call(node, "append", channel, args, "POST",
                         channel_path(channel) + "/messages", body, fill)

    def batch(self, node, channel, count, atomic):
        numbers = [self.new_number() for _ in range(count)]
        args = {"items": [[self.name, number] for number in numbers], "atomic": atomic}

        def fill(record, reply):
            results = [result_of(item["status"], item) for item in reply["results"]]
            stored = [r for r in results if r["seq"]]
            record.update(results=results, seqs=[r["seq"] for r in stored],
                          log_index=max((r["log_index"] for r in stored), default=None))
        return self.call(node, "append", channel, args, "POST",
                         channel_path(channel) + "/messages:batch" + ("?atomic=1" if atomic else ""),
                         {"messages": [self.item(number) for number in numbers]}, fill)

    def delete(self, node, channel, form, reason, clamp=True, dry_run=False):
        """form: what to delete, as the body of POST .../deletes names it; {}: the whole channel."""
        args = {"form": form, "reason": reason, "dry_run": dry_run}
        if form:
            method, path = "POST", channel_path(channel) + "/deletes"
            body = dict(form, reason=reason, clamp=clamp, dry_run=dry_run)
        else:
            method, body = "DELETE", None
            path = channel_path(channel) + "?" + urlencode({"reason": reason})

        def fill(record, reply):
            record.update(slot=reply["slot"], log_index=reply["log_index"],
                          delete_id=reply["delete_id"], ranges=reply["ranges"],
                          deleted_count=reply["deleted_count"],
                          already_deleted=reply["already_deleted"],
                          first_seq=reply["first_seq"], last_seq=reply["last_seq"])
        return self.call(node, "delete", channel, args, method, path, body, fill)

    def read(self, node, channel, from_seq=None, to_seq=None, limit=50, descending=False,
             consistency="linearizable", min_index=None):
        """A page. Without an anchor the daemon gives the newest ones; here one is always sent."""
        args = {"from_seq": from_seq or 1, "to_seq": to_seq, "limit": limit,
                "descending": descending, "consistency": consistency, "min_index": min_index}
        query = {"from_seq": args["from_seq"], "to_seq": to_seq, "limit": limit,
                 "order": "desc" if descending else None, "consistency": consistency,
                 "min_index": min_index}
        query = {key: value for key, value in query.items() if value is not None}

        def fill(record, reply):
            read = reply["read"]
            record.update(slot=read["slot"], applied_index=read["applied_index"],
                          served_by=read["served_by"], first_seq=reply["first_seq"],
                          last_seq=reply["last_seq"], more=reply["more"],
                          deleted=[[d["start_seq"], d["end_seq"]] for d in reply["deleted"]],
                          messages=[message_of(m) for m in reply["messages"]])
        return self.call(node, "read", channel, args, "GET",
                         channel_path(channel) + "/messages?" + urlencode(query), None, fill)


def result_of(status, reply):
    """One message's fate, of a single reply or of an item in a batch."""
    return {"status": status, "code": reply.get("code"), "seq": reply.get("message_seq"),
            "message_id": reply.get("message_id"), "log_index": reply.get("log_index"),
            "duplicate": reply.get("duplicate", False), "deleted": reply.get("deleted", False)}


def message_of(message):
    """[seq, sender, number, whether the payload is that of the number]."""
    number = message.get("client_msg_no", "")
    payload = message["payload"]
    if message["payload_encoding"] == "base64":
        payload = base64.b64decode(payload).decode("utf-8", "replace")
    return [message["message_seq"], message.get("from_uid", ""), number,
            payload == payload_of(number)]
