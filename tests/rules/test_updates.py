"""What an update may do: immutable fields, what each door writes, when the generation moves."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.apps.deployment import DeploymentStatus
from schemas.core.podstatus import PodStatus
from schemas.core.service import ServiceSpec

from .given import CONTAINER, created, raw, refused, rule

pytestmark = pytest.mark.unit
ONLY = ("spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)")


def pod(**changes: Any) -> Any:
    return created("pods", **changes)


@pytest.mark.parametrize(("old", "new", "expected"), [
    ({}, {}, []),
    ({}, {"spec__containers": [{**CONTAINER, "image": "nginx:2"}]}, []),
    ({}, {"spec__containers": [{**CONTAINER, "command": ["x"]}]}, [ONLY]),
    ({}, {"spec__containers": [{**CONTAINER, "image": "", "imagePullPolicy": "IfNotPresent"}]},
     ["spec.containers[0].image: Required value"]),
    ({}, {"spec__containers": [CONTAINER, {**CONTAINER, "name": "d"}]},
     ["spec.containers: Forbidden: pod updates may not add or remove containers"]),
    ({}, {"spec__nodeName": "n2"}, [ONLY]),
    ({}, {"spec__activeDeadlineSeconds": 10}, []),
    ({"spec__activeDeadlineSeconds": 10}, {"spec__activeDeadlineSeconds": 5}, []),
    ({"spec__activeDeadlineSeconds": 10}, {"spec__activeDeadlineSeconds": 20},
     ["spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous value"]),
    ({"spec__activeDeadlineSeconds": 10}, {},
     ["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"]),
    ({}, {"spec__tolerations": [{"key": "a", "operator": "Exists"}]}, []),
    ({"spec__tolerations": [{"key": "a", "operator": "Exists"}]}, {},
     ["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"]),
    ({"spec__schedulingGates": [{"name": "x.io/a"}]}, {}, []),
    ({}, {"spec__schedulingGates": [{"name": "x.io/a"}]},
     ["spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate 'x.io/a'"]),
    ({}, {"spec__restartPolicy": "Never"}, [ONLY]),
    ({}, {"metadata__labels": {"a": "b"}}, []),
])
def test_pods(old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert refused("pods", pod(**old), raw("pods", **new)) == expected


@pytest.mark.parametrize(("plural", "old", "new", "expected"), [
    ("deployments", {}, {"spec__replicas": 5}, []),
    ("deployments", {}, {"spec__selector": {"matchLabels": {"app": "db"}},
                         "spec__template__metadata__labels": {"app": "db"}},
     ['spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable']),
    ("replicasets", {}, {"spec__selector": {"matchLabels": {"x": "y"}},
                         "spec__template__metadata__labels": {"x": "y"}},
     ['spec.selector: Invalid value: {"matchLabels":{"x":"y"}}: field is immutable']),
    ("services", {"spec__clusterIP": "10.0.0.1"}, {}, []),
    ("services", {"spec__clusterIP": "10.0.0.1"}, {"spec__clusterIP": "10.0.0.2"},
     ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']),
    ("services", {"spec__clusterIP": "10.0.0.1"},
     {"spec": {"type": "ExternalName", "externalName": "db.example"}}, []),
    ("secrets", {}, {"type": "mine/x"}, ['type: Invalid value: "mine/x": field is immutable']),
    ("secrets", {"immutable": True}, {"immutable": True, "data": {"a": "Mg=="}},
     ["data: Forbidden: field is immutable when `immutable` is set"]),
    ("secrets", {}, {"data": {"a": "Mg=="}}, []),
    ("configmaps", {"immutable": True}, {},
     ["immutable: Forbidden: field is immutable when `immutable` is set"]),
    ("configmaps", {"immutable": True}, {"immutable": True, "data": {"a": "2"}},
     ["data: Forbidden: field is immutable when `immutable` is set"]),
    ("configmaps", {}, {"immutable": True, "data": {"a": "2"}}, []),
    ("nodes", {"spec__podCIDR": "10.0.0.0/24"}, {"spec__podCIDR": "10.0.1.0/24"},
     ['spec.podCIDR: Forbidden: node updates may not change podCIDR except from "" to valid']),
    ("nodes", {}, {"spec__podCIDR": "10.0.1.0/24", "spec__unschedulable": True}, []),
    ("nodes", {"spec__providerID": "a"}, {"spec__providerID": "b"},
     ['spec.providerID: Forbidden: node updates may not change providerID except from "" to valid']),
    ("endpointslices", {}, {"addressType": "IPv6", "endpoints": [{"addresses": ["::1"]}]},
     ['addressType: Invalid value: "IPv6": field is immutable']),
    ("leases", {}, {"spec__holderIdentity": "you"}, []),
])
def test_other_kinds(plural: str, old: dict[str, Any], new: dict[str, Any], expected: list[str]) -> None:
    assert refused(plural, created(plural, **old), raw(plural, **new)) == expected


def test_the_generation_moves_with_the_spec_only() -> None:
    rules, old = rule("deployments"), created("deployments")
    assert rules.prepare_update(old, raw("deployments")) == old
    labelled = rules.prepare_update(old, raw("deployments", metadata__labels={"a": "b"}))
    assert labelled.metadata.generation == 1
    scaled = rules.prepare_update(labelled, raw("deployments", spec__replicas=2, metadata__generation=99))
    assert (scaled.metadata.generation, scaled.spec.replicas) == (2, 2)
    seen = rules.prepare_update(scaled, replace(scaled, status=DeploymentStatus(replicas=2)), "status")
    assert (seen.metadata.generation, seen.status.replicas) == (2, 2)


def test_each_door_writes_its_part() -> None:
    rules, old = rule("pods"), created("pods")
    both = replace(old, spec=replace(old.spec, active_deadline_seconds=5), status=PodStatus(phase="Running"))
    main = rules.prepare_update(old, both)
    assert (main.spec.active_deadline_seconds, main.status.phase) == (5, "Pending")
    status = rules.prepare_update(old, both, "status")
    assert (status.spec, status.status.phase) == (old.spec, "Running")


def test_a_replace_without_admitted_fields_keeps_them() -> None:
    old = created("pods")
    sent = raw("pods", spec__serviceAccountName="default")
    assert rule("pods").prepare_update(old, sent).spec == old.spec


def test_namespaces_keep_their_spec_finalizers() -> None:
    old = created("namespaces")
    assert rule("namespaces").prepare_update(old, raw("namespaces")).spec.finalizers == ("kubernetes",)


def test_services_keep_their_address() -> None:
    old = created("services", spec__clusterIP="10.0.0.1")
    kept: ServiceSpec = rule("services").prepare_update(old, raw("services")).spec
    assert (kept.cluster_ip, kept.cluster_ips) == ("10.0.0.1", ("10.0.0.1",))


def test_kinds_without_status_do_not_count() -> None:
    assert created("configmaps").metadata.generation is None
    assert created("leases").metadata.generation is None
