"""What a user may leave out, what admission adds, and what the server decides about a new object."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given as sample
from hypothesis import strategies as st

from master.api.rules import container, pod
from schemas.core.placement import Toleration
from schemas.core.podstatus import PodStatus

from .given import CONTAINER, created, problems, raw, rule

pytestmark = pytest.mark.unit


def test_a_bare_pod() -> None:
    made = created("pods")
    spec, (one,) = made.spec, made.spec.containers
    assert (spec.restart_policy, spec.dns_policy, spec.scheduler_name) == (
        "Always", "ClusterFirst", "default-scheduler")
    assert (spec.termination_grace_period_seconds, spec.enable_service_links) == (30, True)
    assert spec.security_context is not None
    assert (one.image_pull_policy, one.termination_message_path, one.termination_message_policy) == (
        "IfNotPresent", "/dev/termination-log", "File")
    assert (spec.service_account_name, spec.service_account) == ("default", "default")
    assert (spec.priority, spec.preemption_policy) == (0, "PreemptLowerPriority")
    assert made.status == PodStatus(phase="Pending", qos_class="BestEffort")
    assert made.metadata.generation == 1


def test_a_grace_of_zero_is_kept() -> None:
    assert created("pods", spec__terminationGracePeriodSeconds=0).spec.termination_grace_period_seconds == 0


@pytest.mark.parametrize(("image", "policy"), [
    ("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1.27", "IfNotPresent"), ("reg:5000/nginx", "Always"),
    ("reg:5000/a/nginx:1", "IfNotPresent"), ("nginx@sha256:0abc", "IfNotPresent"),
    ("nginx:latest@sha256:0abc", "Always"), ("nginx:1@sha256:0abc", "IfNotPresent"),
])
def test_pull_policy_by_tag(image: str, policy: str) -> None:
    assert container.pull_policy(image) == policy


def test_probes_ports_and_references() -> None:
    made = created("pods", spec__containers=[{
        **CONTAINER, "ports": [{"containerPort": 80}], "livenessProbe": {"httpGet": {"port": 80}},
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}])
    (one,) = made.spec.containers
    probe = one.liveness_probe
    assert (probe.timeout_seconds, probe.period_seconds, probe.success_threshold, probe.failure_threshold) == (
        1, 10, 1, 3)
    assert (probe.http_get.path, probe.http_get.scheme, probe.initial_delay_seconds) == ("/", "HTTP", None)
    assert one.ports[0].protocol == "TCP"
    assert one.env[0].value_from.field_ref.api_version == "v1"


def test_limits_are_requests_and_quantities_are_canonical() -> None:
    (one,) = created("pods", spec__containers=[{**CONTAINER, "resources": {
        "limits": {"cpu": "1000m", "memory": "1024Mi"}, "requests": {"cpu": 0.25}}}]).spec.containers
    assert one.resources.limits == {"cpu": "1", "memory": "1Gi"}
    assert one.resources.requests == {"cpu": "250m", "memory": "1Gi"}
    (templated,) = created("deployments", spec__template__spec__containers=[{**CONTAINER, "resources": {
        "limits": {"cpu": "1000m"}}}]).spec.template.spec.containers
    assert (templated.resources.limits, templated.resources.requests) == ({"cpu": "1"}, {})


def test_host_network_opens_ports() -> None:
    (one,) = created("pods", spec__hostNetwork=True, spec__containers=[
        {**CONTAINER, "ports": [{"containerPort": 80}]}]).spec.containers
    assert one.ports[0].host_port == 80


def test_volumes() -> None:
    made = created("pods", spec__volumes=[
        {"name": "a"}, {"name": "b", "configMap": {"name": "x"}}, {"name": "c", "secret": {"secretName": "y"}},
        {"name": "d", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        {"name": "e", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.name"}}]}}])
    a, b, c, d, e = made.spec.volumes
    assert a.empty_dir is not None
    assert [v.default_mode for v in (b.config_map, c.secret, d.projected, e.downward_api)] == [0o644] * 4
    assert d.projected.sources[0].service_account_token.expiration_seconds == 3600
    assert e.downward_api.items[0].field_ref.api_version == "v1"


def test_lost_nodes_are_tolerated_for_five_seconds_unless_said_otherwise() -> None:
    lost = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
    bare = pod.admit_tolerations(raw("pods"))
    assert {(t.key, t.operator, t.effect, t.toleration_seconds) for t in bare.spec.tolerations} == {
        (key, "Exists", "NoExecute", 5) for key in lost}
    assert pod.admit_tolerations(bare) == bare
    own = raw("pods", spec__tolerations=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                                          "effect": "NoExecute", "tolerationSeconds": 300}])
    assert [t.toleration_seconds for t in pod.admit_tolerations(own).spec.tolerations] == [300, 5]
    everything = raw("pods", spec__tolerations=[{"operator": "Exists"}])
    assert pod.admit_tolerations(everything).spec.tolerations == (Toleration(operator="Exists"),)


@pytest.mark.parametrize(("resources", "quality"), [
    ({}, "BestEffort"), ({"requests": {"cpu": "0"}}, "BestEffort"), ({"requests": {"cpu": "1"}}, "Burstable"),
    ({"limits": {"cpu": "1"}}, "Burstable"), ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"memory": "1Mi"}}, "Burstable"),
])
def test_quality_of_service(resources: dict[str, dict[str, str]], quality: str) -> None:
    assert created("pods", spec__containers=[{**CONTAINER, "resources": resources}]).status.qos_class == quality


def test_deployments() -> None:
    spec = created("deployments").spec
    assert (spec.replicas, spec.revision_history_limit, spec.progress_deadline_seconds) == (1, 10, 600)
    roll = spec.strategy.rolling_update
    assert (spec.strategy.type, roll.max_surge, roll.max_unavailable) == ("RollingUpdate", "25%", "25%")
    assert created("deployments", spec__replicas=0).spec.replicas == 0
    assert created("deployments", spec__strategy={"type": "Recreate"}).spec.strategy.rolling_update is None
    assert spec.template.spec.restart_policy == "Always"
    assert spec.template.spec.tolerations == ()


def test_services() -> None:
    spec = created("services").spec
    assert (spec.type, spec.session_affinity, spec.internal_traffic_policy) == ("ClusterIP", "None", "Cluster")
    assert (spec.ports[0].protocol, spec.ports[0].target_port) == ("TCP", 80)
    assert created("services", spec__ports=[{"port": 80, "targetPort": "http"}]).spec.ports[0].target_port == "http"
    sticky = created("services", spec__sessionAffinity="ClientIP").spec.session_affinity_config
    assert sticky.client_ip.timeout_seconds == 10800
    assert created("services", spec__type="LoadBalancer").spec.external_traffic_policy == "Cluster"
    assert created("services", spec__clusterIP="None").spec.cluster_ips == ("None",)


def test_secrets_take_text() -> None:
    made = created("secrets", stringData={"a": "new", "b": "text"})
    assert {k: base64.b64decode(v) for k, v in made.data.items()} == {"a": b"new", "b": b"text"}
    assert made.string_data == {}
    assert made.type == "Opaque"


def test_namespaces_are_born_active_and_held() -> None:
    made = created("namespaces", status={"phase": "Terminating"})
    assert made.status.phase == "Active"
    assert made.spec.finalizers == ("kubernetes",)
    assert made.metadata.labels == {"kubernetes.io/metadata.name": "team"}


def test_nodes_register_with_their_capacity() -> None:
    made = created("nodes")
    assert made.status.allocatable == made.status.capacity == {"cpu": "2", "memory": "4Gi"}


def test_status_of_the_creator_is_dropped_where_it_is_a_subresource() -> None:
    assert created("deployments", status={"replicas": 7}).status is None
    assert created("pods", status={"phase": "Running"}).status.phase == "Pending"


@sample(st.text(max_size=20), st.text(max_size=20))
def test_any_image_and_name_get_a_policy_and_an_answer(image: str, name: str) -> None:
    assert container.pull_policy(image) in container.PULL_POLICIES
    assert isinstance(problems("pods", spec__containers=[{"image": image, "name": name}]), list)


def test_defaults_do_not_touch_what_is_said() -> None:
    said = created("pods", spec__containers=[{**CONTAINER, "imagePullPolicy": "Never"}], spec__restartPolicy="Never",
                   spec__dnsPolicy="Default", spec__schedulerName="mine", spec__enableServiceLinks=False)
    assert rule("pods").defaults(said) == said
    assert (said.spec.restart_policy, said.spec.dns_policy, said.spec.scheduler_name) == ("Never", "Default", "mine")
    assert said.spec.enable_service_links is False
    assert said.spec.containers[0].image_pull_policy == "Never"
