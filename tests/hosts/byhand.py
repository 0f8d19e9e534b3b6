"""A master laid down by hand, command by command, as someone without Ansible would: for tests of the commands alone."""

from __future__ import annotations

import json
from pathlib import Path

from runtime.rest import Rest
from tests.lab import Host

UNITS = ("etcd", "nats", "apiserver", "publisher", "controllers", "scheduler")
INSTALL = """set -e
id kubus >/dev/null 2>&1 || useradd --system --home-dir /var/lib/kubus --shell /usr/sbin/nologin kubus
[ -x /opt/kubus/venv/bin/python ] || python3 -m venv /opt/kubus/venv
/opt/kubus/venv/bin/pip -q install --no-index --no-deps /root/wheels/*.whl
ln -sf /opt/kubus/venv/bin/kubus /usr/local/bin/kubus
mkdir -p -m 0700 /etc/kubus/pki
"""


def topology(hosts: list[Host], me: Host) -> bytes:
    members = [{"name": host.name, "address": host.address} for host in hosts]
    return json.dumps({"name": me.name, "address": me.address, "members": members}).encode()


def install(host: Host, wheels: Path, hosts: list[Host]) -> None:
    host.put(wheels, "/root/wheels")
    host.run(INSTALL)
    host.run("cat > /etc/kubus/master.json", stdin=topology(hosts, host))


def configure(host: Host) -> list[str]:
    changed: list[str] = json.loads(host.run("kubus master configure -o json"))["changed"]
    return changed


def start(host: Host) -> None:
    host.run(f"systemctl daemon-reload && systemctl enable --now {' '.join(f'kubus-{unit}' for unit in UNITS)}")


def healthy(host: Host) -> None:
    host.run("kubus master status --wait 60")


def rest(host: Host, folder: Path) -> tuple[Rest, Path]:
    kubeconfig = folder / f"kubeconfig-{host.name}"
    kubeconfig.write_text(host.run("cat /etc/kubus/kubeconfig"))
    return Rest.from_kubeconfig(kubeconfig), kubeconfig
