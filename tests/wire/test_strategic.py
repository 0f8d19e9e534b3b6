"""Strategic merge patches as kubectl sends them, and every directive, on the real kinds."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import BadRequest, Invalid
from schemas.meta.lists import ATOMIC_LISTS, ATOMIC_MAPS, ATOMIC_STRUCTS, KEYED, MERGED, RETAINED, SETS
from schemas.meta.strategic import strategic_merge
from schemas.meta.walk import members, reachable, short_name
from schemas.scheme import BY_KIND, KINDS

pytestmark = pytest.mark.unit

DEPLOYMENT, POD = BY_KIND["apps/v1", "Deployment"].type, BY_KIND["v1", "Pod"].type
NODE, SERVICE, ACCOUNT = BY_KIND["v1", "Node"].type, BY_KIND["v1", "Service"].type, BY_KIND["v1", "ServiceAccount"].type
CONFIGMAP = BY_KIND["v1", "ConfigMap"].type


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def deployment(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": list(containers)}}, **spec}}


TWO = deployment({"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]},
                 {"name": "b", "image": "b:1"})

CASES: list[tuple[str, Any, Any, Any, Any]] = [
    ("set image", DEPLOYMENT, TWO,
     {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}],
                                     "containers": [{"name": "b", "image": "b:2"}]}}}},
     deployment(TWO["spec"]["template"]["spec"]["containers"][0], {"name": "b", "image": "b:2"})),
    ("set env adds one and keeps the others", DEPLOYMENT, TWO,
     {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [
         {"name": "a", "$setElementOrder/env": [{"name": "X"}, {"name": "Y"}, {"name": "K"}],
          "env": [{"name": "K", "value": "V"}]}]}}}},
     deployment({"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"},
                                                       {"name": "K", "value": "V"}]}, {"name": "b", "image": "b:1"})),
    ("set env K- deletes one", DEPLOYMENT, TWO,
     {"spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "X", "$patch": "delete"}]}]}}}},
     deployment({"name": "a", "image": "a:1", "env": [{"name": "Y", "value": "2"}]}, {"name": "b", "image": "b:1"})),
    ("apply removes a container", DEPLOYMENT, TWO,
     {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}],
                                     "containers": [{"$patch": "delete", "name": "a"}]}}}},
     deployment({"name": "b", "image": "b:1"})),
    ("apply adds a container before", DEPLOYMENT, deployment({"name": "b", "image": "b:1"}),
     {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "z"}, {"name": "b"}],
                                     "containers": [{"name": "z", "image": "z"}]}}}},
     deployment({"name": "z", "image": "z"}, {"name": "b", "image": "b:1"})),
    ("only the order changes", DEPLOYMENT, TWO,
     {"spec": {"template": {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}}},
     deployment(*reversed(TWO["spec"]["template"]["spec"]["containers"]))),
    ("an order without a list to order", POD, pod(nodeName="n"),
     pod(**{"$setElementOrder/containers": [{"name": "a"}]}), pod(nodeName="n")),
    ("the whole list replaced", DEPLOYMENT, TWO,
     {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "c"}, {"$patch": "replace"}]}}}},
     deployment({"name": "c", "image": "c"})),
    ("strategy Recreate drops rollingUpdate", DEPLOYMENT,
     {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
     {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
     {"spec": {"strategy": {"type": "Recreate"}}}),
    ("a volume changes its source", POD, pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "w", "secret": {}}]),
     pod(volumes=[{"$retainKeys": ["name", "hostPath"], "name": "v", "hostPath": {"path": "/x"}}]),
     pod(volumes=[{"name": "v", "hostPath": {"path": "/x"}}, {"name": "w", "secret": {}}])),
    ("ports merge by containerPort", POD,
     pod(containers=[{"name": "a", "ports": [{"containerPort": 80, "name": "web"}, {"containerPort": 81}]}]),
     pod(containers=[{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 82}]}]),
     pod(containers=[{"name": "a", "ports": [{"containerPort": 80, "name": "web", "protocol": "TCP"},
                                             {"containerPort": 82}, {"containerPort": 81}]}])),
    ("service ports merge by port, and twins stay", SERVICE,
     pod(ports=[{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]),
     pod(ports=[{"port": 53, "name": "dns"}]),
     pod(ports=[{"port": 53, "protocol": "TCP", "name": "dns"}, {"port": 53, "protocol": "UDP"}])),
    ("mounts merge by mountPath", POD,
     pod(containers=[{"name": "a", "volumeMounts": [{"mountPath": "/x", "name": "v"}]}]),
     pod(containers=[{"name": "a", "volumeMounts": [{"mountPath": "/x", "readOnly": True}]}]),
     pod(containers=[{"name": "a", "volumeMounts": [{"mountPath": "/x", "name": "v", "readOnly": True}]}])),
    ("tolerations are replaced whole", POD, pod(tolerations=[{"key": "a"}, {"key": "b"}]),
     pod(tolerations=[{"key": "c"}]), pod(tolerations=[{"key": "c"}])),
    ("command is replaced whole", POD, pod(containers=[{"name": "a", "command": ["x", "y"]}]),
     pod(containers=[{"name": "a", "command": ["z"]}]), pod(containers=[{"name": "a", "command": ["z"]}])),
    ("taint", NODE, pod(taints=[{"key": "old", "effect": "NoSchedule"}]),
     {"metadata": {"name": "n"}, **pod(taints=[{"effect": "NoSchedule", "key": "k", "value": "v"}])},
     {"metadata": {"name": "n"}, **pod(taints=[{"effect": "NoSchedule", "key": "k", "value": "v"}])}),
    ("cordon", NODE, pod(podCIDR="10.0.0.0/24"), pod(unschedulable=True),
     pod(podCIDR="10.0.0.0/24", unschedulable=True)),
    ("uncordon", NODE, pod(unschedulable=True), pod(unschedulable=None), pod()),
    ("a condition by type", NODE, {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Disk"}]}},
     {"status": {"$setElementOrder/conditions": [{"type": "Disk"}, {"type": "Ready"}],
                 "conditions": [{"type": "Ready", "status": "Unknown", "reason": "Lost"}]}},
     {"status": {"conditions": [{"type": "Disk"}, {"type": "Ready", "status": "Unknown", "reason": "Lost"}]}}),
    ("labels merge, null deletes", POD, {"metadata": {"labels": {"a": "1", "b": "2"}}},
     {"metadata": {"labels": {"a": None, "c": "3"}}}, {"metadata": {"labels": {"b": "2", "c": "3"}}}),
    ("rollout restart", DEPLOYMENT, deployment({"name": "a"}),
     {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "t"}}}}},
     {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "t"}},
                            "spec": {"containers": [{"name": "a"}]}}}}),
    ("finalizers are a set", POD, {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "c"]}},
     {"metadata": {"finalizers": ["a", "b", "c"]}}),
    ("a finalizer leaves", POD, {"metadata": {"finalizers": ["a", "b"]}},
     {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["b"]}},
     {"metadata": {"finalizers": ["b"]}}),
    ("a finalizer leaves and one comes", POD, {"metadata": {"finalizers": ["a", "b"]}},
     {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "$setElementOrder/finalizers": ["c", "b"],
                   "finalizers": ["c"]}},
     {"metadata": {"finalizers": ["c", "b"]}}),
    ("deleting from a list that is not there", POD, {"metadata": {}},
     {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, {"metadata": {}}),
    ("owners by uid", POD, {"metadata": {"ownerReferences": [{"uid": "1", "name": "x"}, {"uid": "2"}]}},
     {"metadata": {"ownerReferences": [{"uid": "1", "$patch": "delete"}]}},
     {"metadata": {"ownerReferences": [{"uid": "2"}]}}),
    ("secrets by name", ACCOUNT, {"secrets": [{"name": "a"}]}, {"secrets": [{"name": "b"}]},
     {"secrets": [{"name": "b"}, {"name": "a"}]}),
    ("pull secrets of an account are replaced", ACCOUNT, {"imagePullSecrets": [{"name": "a"}]},
     {"imagePullSecrets": [{"name": "b"}]}, {"imagePullSecrets": [{"name": "b"}]}),
    ("an object replaced", POD, pod(securityContext={"runAsUser": 1, "fsGroup": 2}),
     pod(securityContext={"$patch": "replace", "runAsUser": 3}), pod(securityContext={"runAsUser": 3})),
    ("an object emptied", POD, pod(securityContext={"runAsUser": 1}), pod(securityContext={"$patch": "delete"}),
     pod(securityContext={})),
    ("a map replaced", CONFIGMAP, {"data": {"a": "1"}}, {"data": {"$patch": "replace", "b": "2"}},
     {"data": {"b": "2"}}),
    ("everything replaced", CONFIGMAP, {"data": {"a": "1"}}, {"$patch": "replace", "kind": "X"}, {"kind": "X"}),
    ("directives do not land in new values", POD, {},
     pod(**{"$setElementOrder/containers": [{"name": "a"}],
            "containers": [{"name": "a", "$retainKeys": ["name"], "tty": None}, {"name": "b", "$patch": "delete"}]}),
     pod(containers=[{"name": "a"}])),
    ("merge said aloud", POD, pod(containers=[{"name": "a", "image": "1"}]),
     pod(containers=[{"$patch": "merge", "name": "a", "tty": True}]),
     pod(containers=[{"name": "a", "image": "1", "tty": True}])),
    ("debug adds an ephemeral container", POD, pod(containers=[{"name": "a"}]),
     pod(**{"$setElementOrder/ephemeralContainers": [{"name": "d"}],
            "ephemeralContainers": [{"name": "d", "image": "busybox", "resources": {}}]}),
     pod(containers=[{"name": "a"}], ephemeralContainers=[{"name": "d", "image": "busybox", "resources": {}}])),
    ("server-only items keep their place", POD,
     pod(containers=[{"name": "x"}, {"name": "a"}, {"name": "injected"}, {"name": "b"}]),
     pod(**{"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [{"name": "a", "tty": True}]}),
     pod(containers=[{"name": "x"}, {"name": "a", "tty": True}, {"name": "injected"}, {"name": "b"}])),
    ("a member of another type is replaced", POD, pod(hostname="x"), pod(hostname={"a": None, "b": 1}),
     pod(hostname={"b": 1})),
]

REFUSED: list[tuple[type[Exception], Any, Any, Any]] = [
    (BadRequest, POD, {}, []),
    (BadRequest, POD, {}, "x"),
    (BadRequest, POD, {}, {"$patch": "explode"}),
    (BadRequest, POD, pod(containers=[{"name": "a"}]), pod(containers=[{"name": "a", "$patch": "explode"}])),
    (BadRequest, POD, pod(containers=[{"name": "a"}]), pod(containers=[{"image": "x"}])),
    (BadRequest, POD, pod(containers=[{"name": "a"}]), pod(containers=[{"$patch": "delete"}])),
    (BadRequest, POD, pod(containers=[{"name": "a"}]), pod(containers=["a"])),
    (BadRequest, POD, pod(containers=[{"name": "a"}]), pod(**{"$setElementOrder/containers": "a"})),
    (BadRequest, POD, pod(containers=[{"name": "a"}]),
     pod(**{"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]})),
    (BadRequest, POD, pod(containers=[{"name": "a"}]),
     pod(**{"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "a"}, {"name": "b"}]})),
    (BadRequest, DEPLOYMENT, {"spec": {"strategy": {}}}, {"spec": {"strategy": {"$retainKeys": ["type"], "x": 1}}}),
    (BadRequest, DEPLOYMENT, {"spec": {"strategy": {}}}, {"spec": {"strategy": {"$retainKeys": "type"}}}),
    (BadRequest, POD, {"metadata": {"finalizers": ["a"]}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}}),
    (BadRequest, POD, {"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": [{"a": 1}]}}),
    (Invalid, POD, {"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": [["a"]]}}),
]


@pytest.mark.parametrize(("name", "type_", "doc", "patch", "wanted"), CASES, ids=[case[0] for case in CASES])
def test_given_a_patch_then(name: str, type_: Any, doc: Any, patch: Any, wanted: Any) -> None:
    before = copy.deepcopy((doc, patch))
    assert strategic_merge(doc, patch, type_) == wanted
    assert before == (doc, patch)


@pytest.mark.parametrize(("error", "type_", "doc", "patch"), REFUSED)
def test_refused(error: type[Exception], type_: Any, doc: Any, patch: Any) -> None:
    with pytest.raises(error):
        strategic_merge(doc, patch, type_)


def test_every_fact_is_about_a_field_that_exists() -> None:
    known = {short_name(t): members(t) for t in reachable(tuple(kind.type for kind in KINDS))}
    for table in (MERGED, RETAINED, KEYED, SETS, ATOMIC_MAPS, ATOMIC_LISTS):
        for definition, fields in table.items():
            assert set(fields) <= known[definition].keys(), definition
    assert known.keys() >= ATOMIC_STRUCTS
    for definition, merged in MERGED.items():
        for field, key in merged.items():
            item = known[definition][field].item
            assert item is not None
            assert (key in members(item.type)) if item.type else key == ""


NAMES = st.sampled_from("abcde")
CONTAINERS = st.lists(NAMES, unique=True, max_size=5).map(lambda names: [{"name": n, "image": n} for n in names])


@settings(max_examples=150)
@given(CONTAINERS, CONTAINERS)
def test_a_patch_says_what_is_there_and_applies_once(live: list[Any], wanted: list[Any]) -> None:
    patch = pod(**{"$setElementOrder/containers": [{"name": c["name"]} for c in wanted],
                   "containers": [{**c, "tty": True} for c in wanted]})
    once = strategic_merge(pod(containers=live), patch, POD)
    names = [c["name"] for c in once["spec"].get("containers", [])]
    assert sorted(names) == sorted({c["name"] for c in (*live, *wanted)})
    assert [n for n in names if n in [c["name"] for c in wanted]] == [c["name"] for c in wanted]
    assert strategic_merge(once, patch, POD) == once
