"""Given a legal object of the other kinds with one thing changed, then these causes."""

from __future__ import annotations

from typing import Any

import pytest

from master.api.rules import RULES, binding, scale
from schemas import scheme
from schemas.autoscaling.scale import Scale, ScaleSpec
from schemas.core.binding import Binding
from schemas.core.reference import ObjectReference
from schemas.errors import BadRequest

from .given import CONTAINER, LEGAL, created, problems, rule

pytestmark = pytest.mark.unit
PERCENT = ("a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex "
           "used for validation is '[0-9]+%')")


def test_every_kind_has_rules() -> None:
    assert set(RULES) == {(kind.group, kind.plural) for kind in scheme.KINDS}
    assert set(LEGAL) == {kind.plural for kind in scheme.KINDS}


@pytest.mark.parametrize("plural", sorted(LEGAL))
def test_legal_objects_pass_and_defaults_are_final(plural: str) -> None:
    assert problems(plural) == []
    obj = created(plural)
    assert rule(plural).defaults(obj) == obj
    assert rule(plural).prepare_create(obj).metadata == obj.metadata


@pytest.mark.parametrize(("plural", "changes", "expected"), [
    ("configmaps", {"metadata__name": "A_b"}, [
        "metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain"]),
    ("configmaps", {"metadata__name": "a" * 254}, [
        f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 bytes']),
    ("configmaps", {"metadata__namespace": ""}, ["metadata.namespace: Required value"]),
    ("configmaps", {"metadata__labels": {"-a": "b"}}, ['metadata.labels: Invalid value: "-a": name part must consist']),
    ("configmaps", {"metadata__labels": {"a": "b c"}}, [
        'metadata.labels: Invalid value: "b c": a valid label must be']),
    ("configmaps", {"metadata__annotations": {"a": "x" * 262144}},
     ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
    ("configmaps", {"metadata__finalizers": ["mine"]},
     ['metadata.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor']),
    ("configmaps", {"metadata__ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": ""}]},
     ['metadata.ownerReferences[0].uid: Invalid value: "": must not be empty']),
    ("namespaces", {"metadata__name": "a.b"}, ['metadata.name: Invalid value: "a.b": must not contain dots']),
    ("namespaces", {"metadata__namespace": "x"}, ["metadata.namespace: Forbidden: not allowed on this type"]),
    ("services", {"metadata__name": "1a"}, ['metadata.name: Invalid value: "1a": a DNS-1035 label must consist']),
])
def test_metadata(plural: str, changes: dict[str, Any], expected: list[str]) -> None:
    found = problems(plural, **changes)
    assert len(found) == len(expected)
    assert all(ours.startswith(theirs) for ours, theirs in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(("changes", "expected"), [
    ({"spec__replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    ({"spec__replicas": 2**31}, ["spec.replicas: Invalid value: 2147483648: must be less than or equal to 2147483647"]),
    ({"spec__selector": {}}, ["spec.selector: Required value"]),
    ({"spec__selector": None}, ["spec.selector: Required value"]),
    ({"spec__selector": {"matchLabels": {"app": "db"}}},
     ['spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`']),
    ({"spec__selector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}},
     ['spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator']),
    ({"spec__template__spec__containers": []}, ["spec.template.spec.containers: Required value"]),
    ({"spec__template__spec__containers": [{**CONTAINER, "image": ""}]},
     ["spec.template.spec.containers[0].image: Required value"]),
    ({"spec__template__spec__restartPolicy": "Never"},
     ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"']),
    ({"spec__template__spec__activeDeadlineSeconds": 5},
     ["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in Deployment is not Supported"]),
    ({"spec__strategy": {"type": "Blue"}},
     ['spec.strategy.type: Unsupported value: "Blue": supported values: "Recreate", "RollingUpdate"']),
    ({"spec__strategy": {"type": "Recreate", "rollingUpdate": {}}},
     ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]),
    ({"spec__strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
     ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"]),
    ({"spec__strategy": {"rollingUpdate": {"maxSurge": "many"}}},
     [f'spec.strategy.rollingUpdate.maxSurge: Invalid value: "many": {PERCENT}']),
    ({"spec__strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}},
     ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%']),
    ({"spec__minReadySeconds": 600},
     ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"]),
    ({"spec__revisionHistoryLimit": -1},
     ["spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"]),
])
def test_deployments(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems("deployments", **changes) == expected


@pytest.mark.parametrize(("plural", "changes", "expected"), [
    ("services", {"spec__ports": []}, ["spec.ports: Required value"]),
    ("services", {"spec__ports": [], "spec__clusterIP": "None"}, []),
    ("services", {"spec__type": "Magic"}, ['spec.type: Unsupported value: "Magic": supported values: "ClusterIP", '
                                           '"ExternalName", "LoadBalancer", "NodePort"']),
    ("services", {"spec__type": "ExternalName"}, ["spec.externalName: Required value"]),
    ("services", {"spec__ports": [{"port": 0}]},
     [f"spec.ports[0].{name}: Invalid value: 0: must be between 1 and 65535, inclusive"
      for name in ("port", "targetPort")]),
    ("services", {"spec__ports": [{"port": 80}, {"port": 81}]},
     ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
    ("services", {"spec__ports": [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]},
     ['spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}']),
    ("services", {"spec__ports": [{"port": 80, "nodePort": 30080}]},
     ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
    ("services", {"spec__clusterIP": "here"}, ['spec.clusterIPs[0]: Invalid value: "here": must be a valid IP address, '
                                               "(e.g. 10.9.8.7 or 2001:db8::ffff)"]),
    ("services", {"spec__sessionAffinity": "Maybe"},
     ['spec.sessionAffinity: Unsupported value: "Maybe": supported values: "ClientIP", "None"']),
    ("configmaps", {"data": {"..": "x"}}, ["data[..]: Invalid value: \"..\": must not be '..'"]),
    ("configmaps", {"data": {"a": "x"}, "binaryData": {"a": "MQ=="}},
     ['data[a]: Invalid value: "a": duplicate of key present in binaryData']),
    ("configmaps", {"data": {"a": "x" * 1048577}}, [": Too long: may not be more than 1048576 bytes"]),
    ("secrets", {"stringData": {"a": "x" * 1048577}}, ["data: Too long: may not be more than 1048576 bytes"]),
    ("secrets", {"type": "kubernetes.io/tls"}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
    ("secrets", {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "no"}},
     ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character']),
    ("secrets", {"type": "kubernetes.io/basic-auth"},
     ["data[username]: Required value", "data[password]: Required value"]),
    ("nodes", {"spec__taints": [{"key": "a", "effect": "Run"}]},
     ['spec.taints[0].effect: Unsupported value: "Run": supported values: "NoExecute", "NoSchedule", '
      '"PreferNoSchedule"']),
    ("nodes", {"spec__taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]},
     ['spec.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}']),
    ("nodes", {"status__capacity": {"cpu": "-1"}},
     ['status.capacity[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      'status.allocatable[cpu]: Invalid value: "-1": must be greater than or equal to 0']),
    ("nodes", {"spec__podCIDRs": ["10.0.0.0"], "spec__podCIDR": "x"}, []),
    ("events", {"involvedObject__namespace": "other"},
     ['involvedObject.namespace: Invalid value: "other": does not match event.namespace']),
    ("events", {"eventTime": "now"}, ['eventTime: Invalid value: "now": must be an RFC 3339 time']),
    ("leases", {"spec__leaseDurationSeconds": 0},
     ["spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"]),
    ("leases", {"spec__renewTime": "late"}, ['spec.renewTime: Invalid value: "late": must be an RFC 3339 time']),
    ("endpointslices", {"addressType": ""}, ["addressType: Required value"]),
    ("endpointslices", {"endpoints": [{"addresses": ["::1"]}]},
     ['endpoints[0].addresses[0]: Invalid value: "::1": must be an IPv4 address']),
    ("endpointslices", {"endpoints": [{}]},
     ["endpoints[0].addresses: Required value: must contain at least 1 address"]),
    ("replicasets", {"spec__template__metadata__labels": {}},
     ["spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`"]),
])
def test_other_kinds(plural: str, changes: dict[str, Any], expected: list[str]) -> None:
    assert problems(plural, **changes) == expected


@pytest.mark.parametrize(("plural", "changes", "words"), [
    ("pods", {"spec__containers__0__resources": {"limits": {"cpu": "lots"}}},
     'Pod in version "v1" cannot be handled as a Pod: quantities must match'),
    ("deployments", {"spec__template__spec__containers__0__resources": {"limits": {"cpu": ""}}},
     "Deployment in version \"v1\" cannot be handled as a Deployment: quantities must match"),
    ("nodes", {"status__capacity": {"memory": "4GB"}}, "quantities must match"),
    ("secrets", {"data": {"a": "MQ==="}}, 'Secret in version "v1" cannot be handled as a Secret: illegal base64'),
    ("secrets", {"data": {"a": "M Q=="}}, "illegal base64 data at input byte 1"),
    ("configmaps", {"binaryData": {"a": "é"}}, "illegal base64 data at input byte 0"),
])
def test_values_that_are_not_of_their_type(plural: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words.replace("(", r"\(")):
        created(plural, **changes)


def test_bodies_of_subresources() -> None:
    assert [c.field for c in binding.validate(Binding(target=ObjectReference(kind="Pod")))] == [
        "target.kind", "target.name"]
    assert binding.validate(Binding(target=ObjectReference(name="n1"))) == ()
    assert [c.field for c in scale.validate(Scale(spec=ScaleSpec(replicas=-1)))] == ["spec.replicas"]
    assert scale.validate(Scale(spec=ScaleSpec(replicas=0))) == ()
