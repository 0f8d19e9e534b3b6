"""What a node may not make of its own Node (NodeRestriction), by every verb that could do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from master.api.restrict import is_own

from .world import NODE, World

pytestmark = pytest.mark.unit
N1 = "/api/v1/nodes/n1"
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


@pytest.fixture
async def w() -> AsyncIterator[World]:
    async with World() as world:
        labels = {"kubernetes.io/hostname": "n1", "role.node-restriction.kubernetes.io/db": "yes"}
        made = await world.post("/api/v1/nodes", {
            "metadata": {"name": "n1", "labels": labels}, "spec": {"taints": [TAINT], "unschedulable": True}})
        assert made.code == 201
        yield world


@pytest.mark.parametrize(("key", "own"), [
    ("disk", True), ("example.com/disk", True), ("kubernetes.io/hostname", True), ("topology.kubernetes.io/zone", True),
    ("node.kubernetes.io/anything", True), ("x.kubelet.kubernetes.io/y", True), ("kubernetes.io/other", False),
    ("node-role.kubernetes.io/master", False), ("x.node-restriction.kubernetes.io/y", False), ("k8s.io/x", False),
    ("mykubernetes.io/x", True), ("topology.kubernetes.io/other", False),
])
def test_which_labels_are_a_kubelets(key: str, own: bool) -> None:
    assert is_own(key) is own


async def test_what_an_agent_does_is_allowed(w: World) -> None:
    answer = await w.patch(N1, {"metadata": {"labels": {"kubernetes.io/os": "linux", "disk": "ssd"}}}, user=NODE)
    assert answer.code == 200, answer.body
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    answer = await w.patch(f"{N1}/status", {"status": ready}, user=NODE)
    assert answer.code == 200, answer.body


FORBIDDEN: dict[str, dict[str, Any]] = {
    "a taint removed": {"spec": {"taints": None}},
    "a taint added": {"spec": {"taints": [TAINT, {"key": "x", "effect": "NoExecute"}]}},
    "uncordoned": {"spec": {"unschedulable": None}},
    "a range taken": {"spec": {"podCIDR": "10.0.0.0/8"}},
    "a guarded label set": {"metadata": {"labels": {"a.node-restriction.kubernetes.io/b": "c"}}},
    "a guarded label changed": {"metadata": {"labels": {"role.node-restriction.kubernetes.io/db": "no"}}},
    "a guarded label removed": {"metadata": {"labels": {"role.node-restriction.kubernetes.io/db": None}}},
    "a role": {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
    "an owner": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n2", "uid": "u"}]}},
}


@pytest.mark.parametrize("patch", FORBIDDEN.values(), ids=FORBIDDEN)
async def test_what_is_the_operators_is_refused_to_the_node(w: World, patch: dict[str, Any]) -> None:
    before = (await w.get(N1)).body
    answer = await w.patch(N1, patch, user=NODE)
    assert (answer.code, answer["reason"]) == (403, "Forbidden"), answer.body
    assert (await w.get(N1)).body == before
    put = {**before, "spec": {**before["spec"], **patch.get("spec", {})}, "metadata": {**before["metadata"], **{
        k: {**before["metadata"].get(k, {}), **v} if isinstance(v, dict) else v
        for k, v in patch.get("metadata", {}).items()}}}
    assert (await w.put(N1, put, user=NODE)).code == 403
    await w.patch(f"{N1}/status", patch, user=NODE)
    after = (await w.get(N1)).body
    assert (after["spec"], after["metadata"]["labels"]) == (before["spec"], before["metadata"]["labels"])
    assert (await w.patch(N1, patch)).code == 200  # the operator may


async def test_at_registration_taints_are_the_nodes_word_and_guarded_labels_are_not(w: World) -> None:
    await w.delete(N1)
    new: dict[str, Any] = {"metadata": {"name": "n1", "labels": {"a.node-restriction.kubernetes.io/b": "c"}}}
    assert (await w.post("/api/v1/nodes", new, user=NODE)).code == 403
    apply = {"apiVersion": "v1", "kind": "Node", **new}
    answer = await w.patch(f"{N1}?fieldManager=x", apply, "apply-patch+yaml", user=NODE)
    assert answer.code == 403, answer.body
    for claim in ({"podCIDR": "8.8.8.0/24"}, {"podCIDRs": ["8.8.8.0/24"]}):
        assert (await w.post("/api/v1/nodes", {"metadata": {"name": "n1"}, "spec": claim}, user=NODE)).code == 403
    new = {"metadata": {"name": "n1", "labels": {"disk": "ssd"}}, "spec": {"taints": [TAINT]}}
    assert (await w.post("/api/v1/nodes", new, user=NODE)).code == 201
