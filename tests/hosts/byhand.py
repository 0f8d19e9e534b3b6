"""A master and workers laid down file by file, without the roles: what is left when every comfort is taken away."""

from __future__ import annotations

import json
from concurrent.futures import Executor

from tests.lab import Host, Lab
from tests.lab.cache import ROOT

MASTER_UNITS = "kubus-etcd kubus-nats kubus-apiserver kubus-publisher kubus-controllers kubus-scheduler"
AGENT_UNIT = """[Unit]
After=docker.service network-online.target
[Service]
ExecStart=/opt/kubus/venv/bin/kubus agent run --config /etc/kubus/agent.json
Restart=always
RestartSec=1
KillMode=process
[Install]
WantedBy=multi-user.target
"""


def install(lab: Lab, hosts: list[Host], threads: Executor) -> None:
    """The product into /opt/kubus/venv, from a folder of wheels."""
    wheels = lab.wheels()

    def one(host: Host) -> None:
        host.run("mkdir -p /opt/kubus")
        host.put(wheels, "/opt/kubus/wheels")
        host.put(ROOT / "requirements-master.lock", "/opt/kubus/wheels/lock")
        host.run("cd /opt/kubus && python3 -m venv venv && venv/bin/pip install -q --no-index --find-links wheels "
                 "--no-deps -r wheels/lock -r /dev/stdin kubus && ln -sf /opt/kubus/venv/bin/kubus /usr/local/bin/",
                 stdin=(ROOT / "requirements-agent.lock").read_bytes())
    list(threads.map(one, hosts))


def make_master(host: Host, workers: list[str]) -> None:
    """All six services, which know these workers' keys."""
    topology = {"cluster": "kubus", "name": "m1", "address": host.address, "pod_cidr": "",
                "members": [{"name": "m1", "address": host.address}]}
    host.run("useradd --system --no-create-home kubus && install -d -m 0710 -g kubus /etc/kubus && "
             "install -d /var/lib/kubus")
    host.run("cat > /etc/kubus/master.json", stdin=json.dumps(topology).encode())
    host.run("kubus master pki && kubus master configure")
    host.run("/opt/kubus/venv/bin/python -", stdin=f"""
from datetime import datetime, UTC
from pathlib import Path
from cli.commands.master import read, ETC, STATE
from master.install.files import Files
from master.install.machine import _own
from schemas.bus.subjects import node_identity
topology, places = read(None, ETC, STATE)
Files(topology, places, datetime.now(UTC)).write([node_identity(name) for name in {workers}])
_own(places)
""".encode())
    host.run(f"systemctl daemon-reload && systemctl enable -q --now {MASTER_UNITS}")
    host.run("kubus master status --wait 90")


def join(master: Host, name: str, worker: Host) -> None:
    """The worker's keys and config from the master's folder, its unit, started."""
    worker.run("install -d -m 0700 /etc/kubus /etc/kubus/agent")
    files = {"ca.crt": "ca.crt", "node.nk": f"bus-node.{name}.nk", "proof.key": f"bus-node.{name}.key"}
    for ours, theirs in files.items():
        secret = master.run(f"base64 /etc/kubus/pki/{theirs}").encode()
        worker.run(f"base64 -d > /etc/kubus/agent/{ours}", stdin=secret)
    place = "/etc/kubus/agent"
    config = {"node": name, "state": "/var/lib/kubus/agent", "docker_host": "", "bus": {
        "url": f"tls://{master.address}:4222", "ca": f"{place}/ca.crt", "identity": f"node.{name}",
        "nkey_seed_file": f"{place}/node.nk", "proof_key_file": f"{place}/proof.key"}}
    worker.run("cat > /etc/kubus/agent.json", stdin=json.dumps(config).encode())
    worker.run("cat > /etc/systemd/system/kubus-agent.service", stdin=AGENT_UNIT.encode())
    worker.run("systemctl daemon-reload && systemctl enable -q --now kubus-agent")
