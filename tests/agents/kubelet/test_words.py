"""The pure translations: environment, resources, volumes, engine specs, probes, registries, node status."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec.structs import replace

from agents.containers.containers import Auth, Engine, Port
from agents.containers.labels import Owner, read
from agents.kubelet import spec as translate
from agents.kubelet.environment import environment, expand
from agents.kubelet.model import Create, Health
from agents.kubelet.nodestatus import Facts, node, same
from agents.kubelet.nodestatus import status as node_status
from agents.kubelet.probe import Answers, heard, with_verdict
from agents.kubelet.registry import credentials, registry_of
from agents.kubelet.resources import limits_of, oom_score, qos
from agents.kubelet.spec import Machine
from agents.kubelet.supplies import Missing, Supplies, wanted
from agents.kubelet.volumes import Facts as Downward
from agents.kubelet.volumes import File, Files, content
from schemas.core.configmap import ConfigMap
from schemas.core.container import ContainerPort
from schemas.core.environment import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from schemas.core.probe import Probe
from schemas.core.projection import ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, KeyToPath
from schemas.core.resources import ResourceRequirements
from schemas.core.secret import Secret
from schemas.core.security import Capabilities, PodSecurityContext, SecurityContext
from schemas.core.storage import NFSVolumeSource
from schemas.core.volume import Volume
from schemas.meta import conditions
from schemas.meta.object import ObjectMeta

from .harness import container, pod

pytestmark = pytest.mark.unit
MACHINE = Machine(owner=Owner("c", "n1"), memory=8 << 30)
HELD = Supplies(
    configmaps={"conf": ConfigMap(metadata=ObjectMeta(name="conf"), data={"a": "1", "b": "2"})},
    secrets={"hush": Secret(metadata=ObjectMeta(name="hush"), data={"key": base64.b64encode(b"s3").decode()})},
    namespace="default",
)


@pytest.mark.parametrize(("text", "then"), [
    ("$(A)", "1"), ("x$(A)y$(A)", "x1y1"), ("$(NO)", "$(NO)"), ("$$(A)", "$(A)"), ("$$$(A)", "$1"), ("$A", "$A"),
    ("$(", "$("), ("$", "$"), ("", ""),
])
def test_expansion(text: str, then: str) -> None:
    assert expand(text, {"A": "1"}) == then


def env(c: Any, **more: Any) -> dict[str, str]:
    facts = {"pod_ip": "10.0.0.7", "host_ip": "192.0.2.1", "machine": {"cpu": "2", "memory": "4Gi"}, "services": {}}
    return environment(pod("web", c), c, HELD, **(facts | more))


def test_all_sources_of_variables() -> None:
    c = container("app", resources=ResourceRequirements(limits={"cpu": "1500m"}), env_from=(
        EnvFromSource(prefix="P_", config_map_ref=ConfigMapEnvSource(name="conf")),
        EnvFromSource(config_map_ref=ConfigMapEnvSource(name="none", optional=True)),
    ), env=(
        EnvVar(name="NAME", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="metadata.name"))),
        EnvVar(name="L", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="metadata.labels['app']"))),
        EnvVar(name="IP", value_from=EnvVarSource(field_ref=ObjectFieldSelector(field_path="status.podIP"))),
        EnvVar(name="CM", value_from=EnvVarSource(config_map_key_ref=ConfigMapKeySelector(name="conf", key="b"))),
        EnvVar(name="S", value_from=EnvVarSource(secret_key_ref=SecretKeySelector(name="hush", key="key"))),
        EnvVar(name="CPU", value_from=EnvVarSource(resource_field_ref=ResourceFieldSelector(resource="limits.cpu"))),
        EnvVar(name="MEM", value_from=EnvVarSource(resource_field_ref=ResourceFieldSelector(
            resource="limits.memory", divisor="1Mi"))),
        EnvVar(name="ALL", value="$(NAME)/$(CM)/$(P_a)"),
    ))
    assert env(c) == {"P_a": "1", "P_b": "2", "NAME": "web", "L": "web", "IP": "10.0.0.7", "CM": "2", "S": "s3",
                      "CPU": "2", "MEM": "4096", "ALL": "web/2/1"}


@pytest.mark.parametrize(("source", "text"), [
    (EnvVarSource(config_map_key_ref=ConfigMapKeySelector(name="no", key="a")), 'configmap "no" not found'),
    (EnvVarSource(config_map_key_ref=ConfigMapKeySelector(name="conf", key="z")),
     "couldn't find key z in ConfigMap default/conf"),
    (EnvVarSource(secret_key_ref=SecretKeySelector(name="no", key="a")), 'secret "no" not found'),
    (EnvVarSource(field_ref=ObjectFieldSelector(field_path="spec.nope")), "fieldPath not supported"),
])
def test_what_is_missing_is_named(source: EnvVarSource, text: str) -> None:
    with pytest.raises(Missing, match=text):
        env(container("app", env=(EnvVar(name="X", value_from=source),)))


@pytest.mark.parametrize(("requests", "limits", "then"), [
    ({}, {}, "BestEffort"),
    ({"cpu": "1"}, {}, "Burstable"),
    ({}, {"cpu": "1"}, "Burstable"),
    ({}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
    ({"cpu": "500m", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"}, "Burstable"),
])
def test_quality_of_service(requests: dict[str, str], limits: dict[str, str], then: str) -> None:
    assert qos(pod("p", container("a", resources=ResourceRequirements(requests=requests, limits=limits)))) == then


def test_cgroup_numbers() -> None:
    c = container("a", resources=ResourceRequirements(requests={"cpu": "250m", "memory": "1Gi"},
                                                      limits={"cpu": "1500m", "memory": "2Gi"}))
    limits = limits_of(pod("p", c), c, 8 << 30)
    assert (limits.memory, limits.cpu_shares, limits.cpu_quota) == (2 << 30, 256, 150_000)
    assert limits.oom_score == 875
    assert limits_of(pod("p"), container(), 8 << 30).oom_score == 1000
    guaranteed = container("a", resources=ResourceRequirements(limits={"cpu": "1", "memory": "1Gi"}))
    assert oom_score(pod("p", guaranteed), guaranteed, 8 << 30) == -997


def test_the_engine_spec_of_a_container() -> None:
    c = container("app", "echo", "$(A)", args=("$(A)!",), working_dir="/w", security_context=SecurityContext(
        run_as_user=7, capabilities=Capabilities(add=("CAP_NET_ADMIN",), drop=("ALL",)), read_only_root_filesystem=True,
        allow_privilege_escalation=False))
    p = pod("web", c, security_context=PodSecurityContext(run_as_user=1, run_as_group=2, fs_group=3))
    made = translate.app(p, c, Create("app", 2, 1, "box"), {"A": "1"}, (), MACHINE)
    assert (made.entrypoint, made.arguments, made.directory) == (("echo", "1"), ("1!",), "/w")
    assert (made.network, made.ipc, made.pid) == ("container:box", "container:box", "")
    assert (made.rights.user, made.rights.groups) == ("7:2", ("3",))
    assert (made.rights.add, made.rights.drop) == (("NET_ADMIN",), ("ALL",))
    assert made.rights.read_only_root
    assert made.rights.no_new_privileges
    who = read(made.labels)
    assert who is not None
    assert (who.container, who.attempt, who.crashes, who.joined) == ("app", 2, 1, "box")
    assert made.name == f"kubus_app_web_default_{p.metadata.uid}_2"


def test_the_engine_spec_of_a_sandbox() -> None:
    c = container("app", ports=(ContainerPort(container_port=80, host_port=8080, protocol="TCP"),
                                ContainerPort(container_port=81)))
    made = translate.box(pod("web", c), 0, MACHINE)
    assert made.ports == (Port(80, 8080, "tcp"),)
    assert (made.network, made.names.hostname) == ("bridge", "web")
    hosted = translate.box(pod("web", c, host_network=True), 0, MACHINE)
    assert (hosted.network, hosted.ports, hosted.names.hostname) == ("host", (), "")


def test_volumes_as_files() -> None:
    facts = Downward()
    source = ConfigMapVolumeSource(name="conf", items=(KeyToPath(key="a", path="sub/x", mode=0o400),))
    made = content(Volume(name="v", config_map=source), pod(), HELD, facts)
    assert made == Files((File("sub/x", b"1", 0o400),))
    with pytest.raises(Missing, match="references non-existent key"):
        content(Volume(name="v", config_map=replace(source, items=(KeyToPath(key="z", path="z"),))), pod(), HELD, facts)
    with pytest.raises(Missing, match="must stay inside"):
        content(Volume(name="v", config_map=replace(source, items=(KeyToPath(key="a", path="../x"),))), pod(), HELD,
                facts)
    absent = ConfigMapVolumeSource(name="none", optional=True)
    assert content(Volume(name="v", config_map=absent), pod(), HELD, facts) == Files(())
    downward = DownwardAPIVolumeSource(items=(
        DownwardAPIVolumeFile(path="labels", field_ref=ObjectFieldSelector(field_path="metadata.labels")),))
    assert content(Volume(name="v", downward_api=downward), pod("web"), HELD, facts) == Files(
        (File("labels", b'app="web"', 0o644),))
    with pytest.raises(Missing, match="cannot provide"):
        content(Volume(name="v", nfs=NFSVolumeSource()), pod(), HELD, facts)


def test_what_a_pod_wants() -> None:
    c = container("a", env_from=(EnvFromSource(config_map_ref=ConfigMapEnvSource(name="x")),), env=(
        EnvVar(name="S", value_from=EnvVarSource(secret_key_ref=SecretKeySelector(name="y", key="k"))),))
    p = pod("p", c, volumes=(Volume(name="v", config_map=ConfigMapVolumeSource(name="z")),))
    assert wanted(p) == (frozenset({"x", "z"}), frozenset({"y"}))


def test_probe_thresholds() -> None:
    probe = Probe(failure_threshold=2, success_threshold=2)
    verdicts = []
    answers = Answers()
    for well in (True, True, False, True, False, False, True, True):
        answers = heard(answers, well, probe)
        verdicts.append(answers.verdict)
    assert verdicts == [None, True, True, True, True, False, False, True]
    assert with_verdict(Health(), "readiness", True) == Health(None, True, None)


@pytest.mark.parametrize(("image", "then"), [
    ("nginx", "index.docker.io"), ("library/nginx:1", "index.docker.io"), ("ghcr.io/a/b", "ghcr.io"),
    ("localhost/a", "localhost"), ("r:5000/a@sha256:1", "r:5000"),
])
def test_registry_of_an_image(image: str, then: str) -> None:
    assert registry_of(image) == then


def test_credentials_that_fit() -> None:
    document = {"auths": {"https://r:5000/v2/": {"auth": base64.b64encode(b"u:p:q").decode()},
                          "other": {"username": "x", "password": "y"}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(document).encode()).decode()}
    broken = Secret(data={".dockerconfigjson": "%%%"})
    assert credentials("r:5000/a", [broken, Secret(data=data)]) == (Auth("u", "p:q"),)
    assert credentials("nginx", [Secret(data=data)]) == ()


ENGINE = Engine(version="20.10", os="linux", os_image="Debian", kernel="6", architecture="x86_64", cpus=2,
                memory=8 << 30, name="m", root="/")


def test_a_node_says_what_it_has() -> None:
    facts = Facts(node="n1", engine=ENGINE, address="192.0.2.1", disk_total=100 << 30, disk_free=50 << 30)
    made = node(facts, {"disk": "ssd"}, (), 1_000_000.0)
    assert made.metadata.labels["kubernetes.io/arch"] == "amd64"
    assert made.metadata.labels["disk"] == "ssd"
    assert made.status is not None
    assert made.status.capacity["memory"] == "8Gi"
    assert made.status.allocatable["memory"] == "8092Mi"
    assert {c.type: c.status for c in made.status.conditions} == {
        "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}
    later = node_status(facts, made.status.conditions, 1_000_100.0)
    assert same(made.status, later)
    assert later.conditions[-1].last_transition_time == made.status.conditions[-1].last_transition_time


def test_a_node_without_an_engine_names_it() -> None:
    facts = Facts(node="n1", engine=ENGINE, trouble="the Docker daemon does not answer")
    ready = conditions.get(node_status(facts, (), 1.0).conditions, "Ready")
    assert ready is not None
    assert ready.status == "False"
    assert "Docker daemon does not answer" in ready.message
