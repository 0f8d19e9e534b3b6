"""A master burns down and another machine takes its place, by the playbooks: all nodes follow, what ran is untouched.

    w1, w2 ── backup.yml ── things change, w3 joins ── m1 burns ── restore.yml on m2, another address ── all follow
                            things change           ── m2 burns ── restore.yml on m2, the same address ── all come by
                                                                                                          themselves
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dockerd import IMAGE
from tests.hosts.fleet import Container, Fleet, uids
from tests.hosts.workloads import deployment
from tests.lab import Host, Lab, LabError
from tests.lab.plays import Plays

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
KINDS = ("/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/api/v1/pods", "/api/v1/configmaps",
         "/api/v1/secrets", "/api/v1/serviceaccounts", "/api/v1/namespaces")


@pytest.fixture(scope="module", autouse=True)
def ashes(lab: Lab, fleet: Fleet) -> Iterator[None]:
    """Nobody comes after this file: the fleet ends here."""
    yield
    fleet.wipe()
    for name in {"m1", "m2", "w3"} & lab.hosts.keys():
        lab.hosts[name].wipe()


def truth(fleet: Fleet) -> dict[str, Any]:
    """Every object as it was promised: not what is reported of it."""
    found = {}
    for path in KINDS:
        for item in fleet.api.get(path)["items"]:
            meta = item["metadata"]
            said = {field: value for field, value in item.items() if field not in ("metadata", "status")}
            found[f"{path} {meta.get('namespace', '')}/{meta['name']}"] = (meta["uid"], said)
    return found


def everywhere(fleet: Fleet) -> set[Container]:
    """What runs, on all machines."""
    return {container for name in fleet.workers for container in fleet.containers(name)}


def settled(fleet: Fleet, apps: dict[str, int]) -> bool:
    """These pods run, each as one container where it belongs, and nothing else does."""
    pods = [pod for app in apps for pod in fleet.running(app)]
    counts = {app: sum(pod["metadata"]["labels"]["app"] == app for pod in pods) for app in apps}
    return counts == apps and sorted(c.uid for c in everywhere(fleet)) == sorted(uids(pods))


def settle(fleet: Fleet, apps: dict[str, int], what: str, seconds: float = 60) -> float:
    """Seconds until it is settled; else LabError with what there is instead."""
    try:
        return fleet.wait(lambda: settled(fleet, apps), what, seconds)
    except LabError as error:
        runs = "\n".join(f"{name} {c}" for name in fleet.workers for c in sorted(fleet.containers(name)))
        pods = fleet.kubectl("get", "nodes,deployments,pods", "-o", "wide")
        uids_ = fleet.kubectl("get", "pods", "-o", "custom-columns=NAME:.metadata.name,UID:.metadata.uid")
        raise LabError(f"{error}\n{pods}\n{uids_}\non the machines:\n{runs}") from error


def burn(fleet: Fleet, host: Host) -> None:
    fleet.api.close()
    host.kill()
    host.wipe()


def restore(fleet: Fleet, host: Host, backup: Path, *words: str) -> float:
    """Seconds of `restore.yml` on a machine that nobody knows."""
    host.start()
    host.wait_ssh()
    fleet.master = host
    fleet.plays = Plays(fleet.lab, {"masters": [host], "workers": list(fleet.workers.values())})
    fleet.kubeconfig.unlink()
    begun = time.monotonic()
    fleet.plays.play("restore.yml", "-e", f"kubus_backup={backup}", *words)
    took = time.monotonic() - begun
    fleet.connect()
    return took


def masters_of(host: Host) -> tuple[set[str], set[str]]:
    """Bus and API servers, as the node's own file has them."""
    said = json.loads(host.run("cat /etc/kubus/agent.json"))
    return set(said["bus"]["url"].split(",")), set(said["servers"])


def test_another_machine_becomes_the_master_and_all_nodes_follow(fleet: Fleet, lab: Lab, tmp_path: Path) -> None:
    before = {"kept": 3, "grown": 1, "lost": 2}
    fleet.apply(*(deployment(app, count) for app, count in before.items()))
    settle(fleet, before, "the pods to run")
    promised, ran = truth(fleet), everywhere(fleet)
    backup = tmp_path / "cluster.backup"
    fleet.plays.play("backup.yml", "-e", f"kubus_backup={backup}")
    assert backup.stat().st_mode & 0o077 == 0, "everybody on the control machine may read the cluster's keys"

    fleet.join(lab.host("w3", 13))
    fleet.apply(deployment("grown", 3), deployment("late", 3))
    fleet.kubectl("delete", "deployment", "lost")
    fleet.kubectl("create", "configmap", "late")
    settle(fleet, {"kept": 3, "grown": 3, "late": 3}, "the changes")

    burn(fleet, fleet.master)
    took = restore(fleet, lab.host("m2", 2), backup)
    follow = settle(fleet, before, "the world of the backup")
    print(f"\nanother machine: restore.yml took {took:.1f} s, the pods were those of the backup {follow:.1f} s later")
    assert unaltered(fleet, promised) == []
    assert {c for c in ran if not c.pod.startswith("lost-")} <= everywhere(fleet), "an untouched container restarted"
    for host in fleet.workers.values():
        assert masters_of(host) == ({f"tls://{fleet.master.address}:4222"}, {f"https://{fleet.master.address}:6443"})
    for name in fleet.workers:
        fleet.wait_ready(name, 30)
    assert fleet.master.address in fleet.kubeconfig.read_text()
    fleet.apply(deployment("after", 3))
    settle(fleet, {**before, "after": 3}, "new pods under the new master")


def unaltered(fleet: Fleet, promised: dict[str, Any]) -> list[str]:
    """Names of what differs from the backup; what w3 leaves in it by joining anew aside."""
    now = truth(fleet)
    joined = ("/node-credential-", "/bootstrap-token-", "/kubus-pod-ranges")
    return sorted(key for key in promised.keys() | now.keys()
                  if promised.get(key) != now.get(key) and not any(word in key for word in joined))


def test_at_the_same_address_the_nodes_come_by_themselves(fleet: Fleet, tmp_path: Path) -> None:
    before = {"kept": 3, "grown": 1, "lost": 2, "after": 3}
    promised, ran, backup = truth(fleet), everywhere(fleet), tmp_path / "cluster.backup"
    agents = {name: host.run("systemctl show -p MainPID kubus-agent") for name, host in fleet.workers.items()}
    fleet.plays.play("backup.yml", "-e", f"kubus_backup={backup}")
    fleet.kubectl("delete", "deployment", "after")
    fleet.apply(deployment("late", 2))
    settle(fleet, {"kept": 3, "grown": 1, "lost": 2, "late": 2}, "the changes")

    burn(fleet, fleet.master)
    took = restore(fleet, fleet.master, backup, "--limit", "masters")
    follow = settle(fleet, before, "the world of the backup", 90)
    print(f"\nsame address: restore.yml took {took:.1f} s, the pods were those of the backup {follow:.1f} s later")
    assert unaltered(fleet, promised) == []
    assert {c for c in ran if not c.pod.startswith("after-")} <= everywhere(fleet), "an untouched container restarted"
    for name, host in fleet.workers.items():
        fleet.wait_ready(name, 60)
        assert host.run("systemctl show -p MainPID kubus-agent") == agents[name]


IN_MEMORY = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "memory", "namespace": "default",
                                                             "labels": {"app": "memory"}}, "spec": {
    "nodeName": "w1", "volumes": [{"name": "m", "emptyDir": {"medium": "Memory"}}], "containers": [
        {"name": "main", "image": IMAGE, "command": ["sleep", "100000"], "imagePullPolicy": "Never",
         "volumeMounts": [{"name": "m", "mountPath": "/m"}]}]}}
REALITY = {
    "containers": "docker ps -a --filter label=io.kubus.node=w1 --format '{{.Names}}'",
    "docker networks": "docker network ls --filter label=io.kubus.node=w1 --format '{{.Name}}'",
    "images": "docker image ls --format '{{.Repository}}:{{.Tag}}' | grep ^kubus/",
    "mounts": "awk '$2 ~ \"^/var/lib/kubus/\" {print $2}' /proc/self/mounts",
    "links": "ls /sys/class/net | grep ^kubus",
    "routes": "ip -4 route show | grep ^10.244 | grep via | awk '{print $1, $2, $3, $4, $5}'",
    "nftables": "nft list tables | grep kubus",
    "iptables": "iptables-save -t filter | sed -n 's/^:\\(KUBUS[^ ]*\\).*/filter \\1/p'",
}
"""Of one node, looked up without its agent."""


def test_the_agents_record_is_what_is_there_and_reset_goes_by_it(fleet: Fleet) -> None:
    w1 = fleet.workers["w1"]
    fleet.apply(IN_MEMORY)
    fleet.wait(lambda: fleet.running("memory"), "a pod with a volume in memory", 60)
    fleet.wait(lambda: record(w1) == reality(w1), "the record to be true", 40)
    assert all(record(w1)[kind] for kind in REALITY), record(w1)

    # nobody is there to clean up after himself
    w1.run("systemctl kill --signal=KILL kubus-agent; mv /opt/kubus /opt/gone; rm -r /opt/gone")
    fleet.plays.play("reset.yml", "--limit", "w1", "-e", "kubus_verify=true")
    assert record(w1) == {}
    assert not any(reality(w1).values())


def record(host: Host) -> dict[str, list[str]]:
    said: dict[str, list[str]] = json.loads(host.run("cat /var/lib/kubus/agent/owned.json 2>/dev/null || echo {}"))
    return said


def reality(host: Host) -> dict[str, list[str]]:
    return {kind: sorted(host.run(look, check=False).splitlines()) for kind, look in REALITY.items()}
