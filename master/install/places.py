"""Where a master's files lie. Pure: paths only.

    on a machine        /etc/kubus/…            /var/lib/kubus/{etcd,nats}      /etc/systemd/system/kubus-….service
    below one folder    <etc>/…                 <state>/{etcd,nats}             <units>/…           (to try it out)
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

ETC, STATE, UNITS = Path("/etc/kubus"), Path("/var/lib/kubus"), Path("/etc/systemd/system")


class Places(Struct, frozen=True, kw_only=True):
    """Every path a master's parts read or write."""

    configs: Path
    pki: Path
    state: Path
    etcd: Path
    nats: Path
    kubeconfig: Path

    @property
    def nats_config(self) -> Path:
        return self.configs / "nats-server.conf"

    @property
    def nats_pid(self) -> Path:
        return self.nats / "nats-server.pid"

    def config(self, service: str) -> Path:
        return self.configs / f"{service}.json"

    def key(self, name: str) -> Path:
        """Something in the folder of secrets."""
        return self.pki / name


def on_machine(etc: Path = ETC, state: Path = STATE) -> Places:
    """A machine's places."""
    return Places(configs=etc, pki=etc / "pki", state=state, etcd=state / "etcd", nats=state / "nats",
                  kubeconfig=etc / "kubeconfig")
