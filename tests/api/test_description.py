# SPDX-License-Identifier: Apache-2.0
"""Every reply that the other tests got, against api/openapi.yaml."""
from lib import Client, Description, Failed, check

# What a cluster of one cannot be made to answer.
NOT_MADE_HERE = {"too_many_requests"}


def description(daemon):
    return Description(Client(daemon, record=False).get("/openapi.json", expect=200).json)


def test_replies(daemon):
    described, faults = description(daemon), []
    for reply in Client.replies:
        try:
            described.check_reply(reply)
        except (Failed, KeyError) as fault:
            faults.append(f"{fault!r}: {reply!r}"[:600])
    check(len(Client.replies) > 300 or not faults, len(Client.replies))
    if faults:
        raise Failed("\n  ".join([f"{len(faults)} of {len(Client.replies)} replies"] + faults[:20]))


def test_every_route_was_asked(daemon):
    described = description(daemon)
    asked = set()
    for reply in Client.replies:
        name, operations = described.find(reply.target)
        method = reply.method.lower()
        if name and method in operations and (reply.status < 400 or reply.status in (501, 409, 503)):
            asked.add((method, name))
    missing = [(method, name) for _, name, operations in described.paths for method in operations
               if (method, name) not in asked]
    # Handing a leadership over, or a full install, needs a second node.
    missing = [row for row in missing if not any(word in row[1] for word in ("transfer-leader", "full-sync", "migrate"))]
    check(not missing, "never answered well:", missing)


def test_codes_have_one_status(daemon):
    """A code always comes with the same status."""
    codes = described_codes = {}
    described_codes = description(daemon).doc["components"]["schemas"]["Code"]["enum"]
    for reply in Client.replies:
        if reply.type == "application/problem+json" and reply.method != "HEAD":
            codes.setdefault(reply.json["code"], set()).add(reply.status)
    check(all(len(statuses) == 1 for statuses in codes.values()), codes)
    check(set(codes) <= set(described_codes), set(codes) - set(described_codes))
    check(not NOT_MADE_HERE & set(codes), "made here after all")


def test_examples_are_taken(daemon):
    """The examples of request bodies work as they stand."""
    described, client = description(daemon), Client(daemon)
    client.fill((7, "example"), 300)
    for name, operations in described.doc["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            example = content.get("application/json", {}).get("example")
            if example is None or "transfer-leader" in name or "full-sync" in name or "migrate" in name \
                    or "admin/nodes" in name:
                continue
            target = name.replace("{t}", "7").replace("{c}", "example").replace("{slot}", "7")
            reply = client.ask(method.upper(), target, example)
            check(reply.status in (200, 201, 202), reply)
