"""The systemd units of a master's six processes. Pure text.

Each runs as the user `kubus`, sees the machine read-only but for its own folder, and holds no capability. None requires
another: they wait for what they need. `simple`, not `notify`: the first of three etcds says it is ready only when a
second one is, and whoever starts it must not be held until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from .places import Places
from .servers import GO_ENVIRONMENT, PYTHON_ENVIRONMENT, environment, etcd_argv, nats_argv
from .topology import SERVICES, Topology

USER = "kubus"
WORDS = {
    "etcd": "Kubus: etcd, the cluster's truth", "nats": "Kubus: NATS, the cluster's bus",
    "apiserver": "Kubus: API server", "publisher": "Kubus: publisher, etcd to NATS",
    "controllers": "Kubus: controllers", "scheduler": "Kubus: scheduler",
}

SANDBOX = (
    "NoNewPrivileges=yes", "CapabilityBoundingSet=", "AmbientCapabilities=", "ProtectSystem=strict", "ProtectHome=yes",
    "PrivateTmp=yes", "PrivateDevices=yes", "ProtectClock=yes", "ProtectHostname=yes", "ProtectControlGroups=yes",
    "ProtectKernelLogs=yes", "ProtectKernelModules=yes", "ProtectKernelTunables=yes", "RestrictNamespaces=yes",
    "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "LockPersonality=yes", "SystemCallArchitectures=native", "SystemCallFilter=@system-service", "UMask=0077",
)
"""https://www.freedesktop.org/software/systemd/man/systemd.exec.html#Sandboxing"""

STOP_SECONDS = 15


class Unit(Struct, frozen=True, kw_only=True):
    """One service of systemd. `writes`: the only folders that it may change."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    writes: Sequence[str] = ()
    after: Sequence[str] = ()
    reload: str = ""

    @property
    def file(self) -> str:
        return f"kubus-{self.name}.service"


def units(topology: Topology, places: Places, python: str, etcd: str, nats: str) -> tuple[Unit, ...]:
    """All six, in the order of their start. The last three: paths of the programs."""
    servers = (
        Unit(name="etcd", argv=etcd_argv(etcd, topology, places), environment=environment("etcd"),
             writes=(str(places.etcd),)),
        Unit(name="nats", argv=nats_argv(nats, places), environment=GO_ENVIRONMENT, writes=(str(places.nats),),
             reload="/bin/kill -HUP $MAINPID"),
    )
    services = (
        Unit(name=service, argv=service_argv(python, places, service), environment=PYTHON_ENVIRONMENT,
             after=("kubus-etcd.service", "kubus-nats.service"))
        for service in SERVICES
    )
    return (*servers, *services)


def service_argv(python: str, places: Places, service: str) -> tuple[str, ...]:
    """`-P`: what lies in the working directory is not ours to import."""
    return (python, "-P", "-m", "master.cli", service, "--config", str(places.config(service)))


def text(unit: Unit) -> str:
    """The unit file."""
    after = " ".join(("network-online.target", *unit.after))
    return "\n".join((
        "[Unit]", f"Description={WORDS[unit.name]}", f"After={after}", "Wants=network-online.target",
        "StartLimitIntervalSec=0", "",
        "[Service]", "Type=simple", f"User={USER}", f"Group={USER}",
        f"ExecStart={' '.join(map(_quoted, unit.argv))}",
        *([f"ExecReload={unit.reload}"] if unit.reload else []),
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in unit.environment.items()),
        "Restart=always", "RestartSec=1", f"TimeoutStopSec={STOP_SECONDS}", "LimitNOFILE=65536", "OOMScoreAdjust=-900",
        *(f"ReadWritePaths={_quoted(folder)}" for folder in unit.writes),
        *SANDBOX, "",
        "[Install]", "WantedBy=multi-user.target", "",
    ))


def _quoted(word: str) -> str:
    """One word of a unit's line; `%` and `$` mean something to systemd."""
    plain = word.replace("%", "%%").replace("$", "$$")
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if set(plain) & set(' \t"\\;') else plain
