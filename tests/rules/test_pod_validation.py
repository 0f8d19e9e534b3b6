"""Given a legal pod with one thing changed, then these causes, in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from .given import CONTAINER, problems

pytestmark = pytest.mark.unit
C = "spec.containers[0]"
LABEL = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
         "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
         "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')")


def container(**changes: Any) -> dict[str, Any]:
    return {"spec__containers": [{**CONTAINER, **changes}]}


def test_a_legal_pod_has_no_problems() -> None:
    assert problems("pods") == []


@pytest.mark.parametrize(("changes", "expected"), [
    (container(name=""), [f"{C}.name: Required value"]),
    (container(name="My_C"), [f'{C}.name: Invalid value: "My_C": {LABEL}']),
    (container(image=""), [f"{C}.image: Required value"]),
    (container(image=" nginx"), [f'{C}.image: Invalid value: " nginx": must not have leading or trailing whitespace']),
    (container(imagePullPolicy="Sometimes"), [f'{C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: '
                                              '"Always", "IfNotPresent", "Never"']),
    (container(terminationMessagePolicy="No"), [f'{C}.terminationMessagePolicy: Unsupported value: "No": supported '
                                                'values: "FallbackToLogsOnError", "File"']),
    (container(ports=[{}]), [f"{C}.ports[0].containerPort: Required value"]),
    (container(ports=[{"containerPort": 70000}]),
     [f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"]),
    (container(ports=[{"containerPort": 80, "protocol": "HTTP"}]),
     [f'{C}.ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"']),
    (container(ports=[{"containerPort": 80, "name": "web"}, {"containerPort": 81, "name": "web"}]),
     [f'{C}.ports[1].name: Duplicate value: "web"']),
    (container(ports=[{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
     [f'{C}.ports[1].hostPort: Duplicate value: "TCP//80"']),
    (container(env=[{"name": ""}]), [f"{C}.env[0].name: Required value"]),
    (container(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
     [f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty']),
    (container(env=[{"name": "A", "valueFrom": {}}]),
     [f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
      "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"]),
    (container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]),
     [f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.x": supported values: "metadata.name", '
      '"metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", '
      '"status.hostIPs", "status.podIP", "status.podIPs"']),
    (container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": ""}}}]),
     [f"{C}.env[0].valueFrom.secretKeyRef.key: Required value"]),
    (container(envFrom=[{}]),
     [f'{C}.envFrom[0]: Invalid value: "": must specify one of: `configMapRef` or `secretRef`']),
    (container(volumeMounts=[{"name": "gone", "mountPath": "/x"}]), [f'{C}.volumeMounts[0].name: Not found: "gone"']),
    (container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
     [f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1']),
    (container(resources={"requests": {"memory": "-1"}}),
     [f'{C}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0']),
    (container(resources={"limits": {"gpu": "1"}}),
     [f'{C}.resources.{part}[gpu]: Invalid value: "gpu": must be a standard resource {words}'
      for part in ("limits", "requests") for words in ("type or fully qualified", "for containers")]),
    (container(resources={"requests": {"x.io/gpu": "1"}}),
     [f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources"]),
    (container(livenessProbe={}), [f"{C}.livenessProbe: Required value: must specify a handler type"]),
    (container(livenessProbe={"exec": {"command": ["x"]}, "tcpSocket": {"port": 80}}),
     [f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"]),
    (container(livenessProbe={"exec": {"command": ["x"]}, "successThreshold": 2}),
     [f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1"]),
    (container(readinessProbe={"httpGet": {"port": 0}}),
     [f"{C}.readinessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
    (container(readinessProbe={"httpGet": {"port": "http", "scheme": "FTP"}}),
     [f'{C}.readinessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"']),
    (container(startupProbe={"exec": {"command": []}}), [f"{C}.startupProbe.exec.command: Required value"]),
    (container(readinessProbe={"exec": {"command": ["x"]}, "periodSeconds": -1}),
     [f"{C}.readinessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0"]),
    (container(lifecycle={"preStop": {}}), [f"{C}.lifecycle.preStop: Required value: must specify a handler type"]),
    (container(securityContext={"runAsUser": -1}),
     [f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"]),
    (container(securityContext={"seccompProfile": {"type": "Localhost"}}),
     [f"{C}.securityContext.seccompProfile.localhostProfile: Required value: "
      "must be set when seccomp type is Localhost"]),
])
def test_containers(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems("pods", **changes) == expected


@pytest.mark.parametrize(("changes", "expected"), [
    ({"spec__containers": []}, ["spec.containers: Required value"]),
    ({"spec": None}, ["spec.containers: Required value"]),
    ({"spec__containers": [CONTAINER, CONTAINER]}, ['spec.containers[1].name: Duplicate value: "c"']),
    ({"spec__initContainers": [CONTAINER]}, ['spec.initContainers[0].name: Duplicate value: "c"']),
    ({"spec__initContainers": [{**CONTAINER, "name": "i", "livenessProbe": {"exec": {"command": ["x"]}}}]},
     ["spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without "
      "restartPolicy=Always"]),
    ({"spec__ephemeralContainers": [{**CONTAINER, "name": "e"}]},
     ["spec.ephemeralContainers: Forbidden: cannot be set on create"]),
    ({"spec__restartPolicy": "Sometimes"}, ['spec.restartPolicy: Unsupported value: "Sometimes": supported values: '
                                            '"Always", "Never", "OnFailure"']),
    ({"spec__dnsPolicy": "Mine"}, ['spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirst", '
                                   '"ClusterFirstWithHostNet", "Default", "None"']),
    ({"spec__dnsPolicy": "None"}, ["spec.dnsConfig.nameservers: Required value: must provide at least one DNS "
                                   "nameserver when `dnsPolicy` is None"]),
    ({"spec__terminationGracePeriodSeconds": -1},
     ["spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"]),
    ({"spec__activeDeadlineSeconds": 0},
     ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"]),
    ({"spec__hostname": "A"}, [f'spec.hostname: Invalid value: "A": {LABEL}']),
    ({"spec__hostAliases": [{"ip": "1.2.3"}]},
     ['spec.hostAliases[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']),
    ({"spec__volumes": [{"emptyDir": {}}]}, ["spec.volumes[0].name: Required value"]),
    ({"spec__volumes": [{"name": "v"}, {"name": "v"}]}, ['spec.volumes[1].name: Duplicate value: "v"']),
    ({"spec__volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]},
     ["spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"]),
    ({"spec__volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}}]},
     ["spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"]),
    ({"spec__volumes": [{"name": "v", "secret": {}}]}, ["spec.volumes[0].secret.secretName: Required value"]),
    ({"spec__volumes": [{"name": "v", "configMap": {"name": "x", "defaultMode": 4096}}]},
     ["spec.volumes[0].configMap.defaultMode: Invalid value: 4096: must be a number between 0 and 0777 (octal), both "
      "inclusive"]),
    ({"spec__volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": ""}}]},
     ["spec.volumes[0].persistentVolumeClaim.claimName: Required value"]),
    ({"spec__volumes": [{"name": "v", "projected": {"sources": [{}]}}]},
     ["spec.volumes[0].projected.sources[0]: Required value: must specify a projected volume type"]),
    ({"spec__schedulingGates": [{"name": "x.io/a"}], "spec__nodeName": "n1"},
     ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"]),
    ({"spec__shareProcessNamespace": True, "spec__hostPID": True},
     ["spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled"]),
    ({"spec__hostNetwork": True, "spec__containers": [
        {**CONTAINER, "ports": [{"containerPort": 80, "hostPort": 81}]}]},
     [f"{C}.ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"]),
])
def test_pods(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems("pods", **changes) == expected


N = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
P = "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]"


def nodes(*terms: Any) -> dict[str, Any]:
    return {"spec__affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}}


@pytest.mark.parametrize(("changes", "expected"), [
    (nodes(), [f"{N}: Required value: must have at least one node selector term"]),
    (nodes({"matchExpressions": [{"key": "a", "operator": "In"}]}),
     [f"{N}[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"]),
    (nodes({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["x"]}]}),
     [f'{N}[0].matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator']),
    (nodes({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}),
     [f"{N}[0].matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or "
      "'DoesNotExist'"]),
    ({"spec__affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 101, "podAffinityTerm": {"labelSelector": {}}}]}}},
     [f"{P}.weight: Invalid value: 101: must be in the range 1-100",
      f"{P}.podAffinityTerm.topologyKey: Required value: can not be empty"]),
    ({"spec__tolerations": [{"operator": "Equal", "value": "x"}]},
     ['spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means '
      '"match all values and all keys"']),
    ({"spec__tolerations": [{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]},
     ["spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` "
      "is set"]),
    ({"spec__tolerations": [{"key": "a", "operator": "Near"}]},
     ['spec.tolerations[0].operator: Unsupported value: "Near": supported values: "Equal", "Exists"']),
    ({"spec__topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "Perhaps"}]},
     ["spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Perhaps": supported values: '
      '"DoNotSchedule", "ScheduleAnyway"']),
    ({"spec__nodeSelector": {"a b": "x"}},
     ['spec.nodeSelector: Invalid value: "a b": name part must consist of alphanumeric characters, \'-\', \'_\' or '
      "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
      "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"]),
])
def test_placement(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems("pods", **changes) == expected


def test_all_causes_come_at_once() -> None:
    found = problems("pods", metadata__name="", spec__restartPolicy="x", spec__containers=[{"ports": [{}]}])
    assert found == [
        "metadata.name: Required value: name or generateName is required", f"{C}.name: Required value",
        f"{C}.image: Required value", f"{C}.ports[0].containerPort: Required value",
        'spec.restartPolicy: Unsupported value: "x": supported values: "Always", "Never", "OnFailure"']
