# SPDX-License-Identifier: Apache-2.0
"""The cluster's nodes, as far as a single one can show them; tests/cluster has the rest."""
from lib import Client, check, equal


def test_placement(daemon):
    client = Client(daemon)
    placement = client.get("/v1/admin/placement", expect=200).json
    equal([node["id"] for node in placement["nodes"]], [1], "nodes")
    equal(placement["done"], True, "done")
    equal(placement["moves"], [], "moves")
    equal(client.post("/v1/admin/placement", {"dry_run": True}, expect=200).json["moves"], [], "moves of a plan")


def test_changes_are_refused(daemon):
    client = Client(daemon)
    for body in ({}, {"id": 4}, {"id": 0, "address": "h:1"}, {"id": 4, "address": 1}, {"id": "4", "address": "h:1"},
                 {"id": 4, "address": "h:1", "zone": 3}, {"id": 4, "address": "h:1", "replaces": 0}):
        equal(client.post("/v1/admin/nodes", body, expect=400).json["code"], "bad_parameter", f"{body}")
    problem = client.post("/v1/admin/nodes", {"id": 4, "address": "h:1"}, expect=409).json
    check("cluster.members" in problem["detail"], problem)
    for what in ("promote", "drain", "undrain"):
        equal(client.post(f"/v1/admin/nodes/9:{what}", {}, expect=404).json["code"], "not_found", what)
        client.post(f"/v1/admin/nodes/1:{what}", {"dry_run": "yes"}, expect=400)
    client.post("/v1/admin/nodes/1:promote", {}, expect=409)
    client.post("/v1/admin/nodes/1:undrain", {}, expect=409)
    client.post("/v1/admin/nodes/1:drain", {}, expect=409)  # nobody else could lead
    client.delete("/v1/admin/nodes/1", expect=409)
    client.delete("/v1/admin/nodes/2", expect=404)
    client.delete("/v1/admin/nodes/1?dry_run=maybe", expect=400)
    equal(client.get("/v1/admin/placement", expect=200).json["revision"], 0, "revision: nothing was changed")


def test_upgrade_is_finalized(daemon):
    """One build alone, whose level is in force from the beginning."""
    client = Client(daemon)
    client.post("/v1/admin/upgrade:finalize", {"dry_run": "yes"}, expect=400)
    problem = client.post("/v1/admin/upgrade:finalize", {}, expect=409).json
    check("feature level" in problem["detail"], problem)


def test_orders_and_upgrades(daemon):
    """Nothing was ordered yet, and the build in use is the only one there ever was."""
    client = Client(daemon)
    placement = client.get("/v1/admin/placement", expect=200).json
    equal((placement["job"], placement["feature_level"]), (None, 0), "job, level")
    check(client.get("/version", expect=200).json["feature_level"] > 0, "the build's level")
    problem = client.get("/v1/jobs/members-3", expect=404).json
    check("only the last order" in problem["detail"], problem)
    equal(client.post("/v1/jobs/members-3:cancel", {}, expect=404).json["code"], "not_found", "cancel")
    for name in ("members-", "members-x", "members--1"):
        client.get(f"/v1/jobs/{name}", expect=404)
    client.post("/v1/admin/upgrade:finalize", {"dry_run": "yes"}, expect=400)
    plan = client.post("/v1/admin/upgrade:finalize", {"dry_run": True})
    check(plan.status in (200, 409), f"{plan.status} {plan.json}")
    equal(client.get("/v1/admin/placement", expect=200).json["revision"], 0, "revision: nothing was changed")
