"""Three masters on three hosts, as systemd units in their sandboxes: each in turn loses its power under a writer.

A deployment made in the dark gets its pods from whoever leads then; the host boots and is a whole member again. At last
the first host burns down, is restored from its backup as the only master, and has all that was promised.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runtime.rest import Rest
from tests.lab import Host, Lab
from tests.masters.world import DEPLOYMENTS, PODS, deployment, names
from tests.masters.writing import CONFIGMAPS, Writer

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(420)]

UNITS = ("etcd", "nats", "apiserver", "publisher", "controllers", "scheduler")
INSTALL = """set -e
id kubus >/dev/null 2>&1 || useradd --system --home-dir /var/lib/kubus --shell /usr/sbin/nologin kubus
[ -x /opt/kubus/venv/bin/python ] || python3 -m venv /opt/kubus/venv
/opt/kubus/venv/bin/pip -q install --no-index --no-deps /root/wheels/*.whl
ln -sf /opt/kubus/venv/bin/kubus /usr/local/bin/kubus
mkdir -p -m 0700 /etc/kubus/pki
"""
MOST_PAUSE = 12.0


def _topology(hosts: list[Host], me: Host) -> bytes:
    members = [{"name": host.name, "address": host.address} for host in hosts]
    return json.dumps({"name": me.name, "address": me.address, "members": members}).encode()


def _install(host: Host, wheels: Path, hosts: list[Host]) -> None:
    host.put(wheels, "/root/wheels")
    host.run(INSTALL)
    host.run("cat > /etc/kubus/master.json", stdin=_topology(hosts, host))


def _configure(host: Host) -> list[str]:
    changed: list[str] = json.loads(host.run("kubus master configure -o json"))["changed"]
    return changed


def _start(host: Host) -> None:
    host.run(f"systemctl daemon-reload && systemctl enable --now {' '.join(f'kubus-{unit}' for unit in UNITS)}")


def _healthy(host: Host) -> None:
    host.run("kubus master status --wait 60")


def _each(hosts: list[Host], do: Callable[[Host], Any]) -> None:
    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(do, hosts))


def _rest(host: Host, folder: Path) -> tuple[Rest, Path]:
    kubeconfig = folder / f"kubeconfig-{host.name}"
    kubeconfig.write_text(host.run("cat /etc/kubus/kubeconfig"))
    return Rest.from_kubeconfig(kubeconfig), kubeconfig


def _seconds(done: Callable[[], bool], what: str, most: float) -> float:
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < most, f"waited {most} s for {what}"
        time.sleep(0.1)
    return time.monotonic() - began


@pytest.fixture
def masters(lab: Lab, hosts: list[Host]) -> list[Host]:
    """n1, n2, n3 as masters."""
    wheels = lab.wheels()
    _each(hosts, lambda host: _install(host, wheels, hosts))
    files = hosts[0].run("kubus master pki").split()
    secrets = hosts[0].run(f"tar -C / -cf - {' '.join(file.lstrip('/') for file in files)} | base64")
    for other in hosts[1:]:
        other.run("base64 -d | tar -C / -xpf -", stdin=secrets.encode())
    _each(hosts, _configure)
    _each(hosts, _start)
    _each(hosts, _healthy)
    return hosts


def test_any_host_may_lose_its_power(lab: Lab, masters: list[Host], tmp_path: Path) -> None:
    first = masters[0]
    assert _configure(first) == []
    assert first.run("stat -c '%U %a' /etc/kubus/pki/ca.key").split() == ["root", "600"]
    assert first.run("ps -o user= -C etcd -C nats-server").split() == ["kubus", "kubus"]
    rest, kubeconfig = _rest(first, tmp_path)
    writer = Writer(kubeconfig)
    writer.start()
    try:
        for number, host in enumerate(masters):
            began = time.monotonic()
            host.kill()
            rest.json("POST", DEPLOYMENTS, body=deployment("app:1", 2, f"web-{number}"))
            pods = _seconds(lambda n=number: len(names(rest, PODS, labelSelector=f"app=web-{n}")) == 2, "pods", 40)  # type: ignore[misc]
            pause = writer.longest_pause(began, time.monotonic())
            host.start()
            host.wait_ssh()
            back = _seconds(lambda host=host: _healthy(host) is None, "the member", 60)  # type: ignore[misc]
            print(f"{host.name} lost: writes paused {pause:.1f} s, pods after {pods:.1f} s, back after {back:.1f} s")
            assert pause < MOST_PAUSE
    finally:
        writer.stop()
    assert set(writer.promised) <= set(names(rest, CONFIGMAPS))
    _restore(lab, masters, writer.promised, tmp_path)


def _restore(lab: Lab, hosts: list[Host], promised: list[str], folder: Path) -> None:
    """All three are lost; the first one's successor is alone."""
    first = hosts[0]
    first.run("kubus backup /root/backup.tgz")
    backup = first.run("base64 /root/backup.tgz").encode()
    for host in hosts:
        host.kill()
    first.wipe()
    first.start()
    first.wait_ssh()
    _install(first, lab.wheels(), [first])
    first.run("base64 -d > /root/backup.tgz", stdin=backup)
    began = time.monotonic()
    first.run(f"kubus restore /root/backup.tgz --member {first.name}={first.address}")
    _start(first)
    _healthy(first)
    print(f"restored and healthy after {time.monotonic() - began:.1f} s")
    rest, _ = _rest(first, folder)
    assert set(promised) <= set(names(rest, CONFIGMAPS))
    assert len(names(rest, PODS)) == 2 * len(hosts)
    assert _configure(first) == []
