"""The agent as a systemd unit. `text` is pure; the rest calls systemctl, and only where systemd runs.

Sandboxing that gives a unit a mount namespace of its own (Protect…, Private…) is left out: the kubelet's tmpfs volumes
must be seen by Docker, in the machine's own namespace.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from schemas.errors import KubusError

from .places import UNIT

SECONDS = 60.0
_HARDENED = (
    "NoNewPrivileges=yes", "LockPersonality=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "KeyringMode=private", "UMask=0022",
)


class UnitTrouble(KubusError):
    """systemctl did not do it; its words."""


def text(kubus: str, config: Path) -> str:
    """The unit file. `kubus`: path of the command."""
    return "\n".join((
        "[Unit]", "Description=Kubus: this machine's kubelet agent", "After=network-online.target docker.service",
        "Wants=network-online.target", "StartLimitIntervalSec=0", f"ConditionPathExists={config}", "",
        "[Service]", "Type=simple", f"ExecStart={kubus} agent run --config {config}", "Restart=always", "RestartSec=1",
        "KillMode=mixed", "TimeoutStopSec=20", "LimitNOFILE=65536", "OOMScoreAdjust=-900",
        "Environment=PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2", *_HARDENED, "",
        "[Install]", "WantedBy=multi-user.target", "",
    ))


def has_systemd() -> bool:
    """Is this machine run by systemd? (sd_booted(3))"""
    return Path("/run/systemd/system").is_dir()


def start(changed: bool) -> bool:
    """Enable it and have it run, anew if something changed; was it not running so before? Raises UnitTrouble."""
    was = _ask("is-active") and _ask("is-enabled")
    if was and not changed:
        return False
    _tell("daemon-reload")
    _tell("enable", UNIT.name)
    _tell("restart", UNIT.name)
    return True


def stop() -> None:
    """Stop and disable it; fine when there is none. Raises UnitTrouble."""
    if UNIT.exists():
        _tell("disable", "--now", UNIT.name)
        UNIT.unlink(missing_ok=True)
        _tell("daemon-reload")
    subprocess.run(["systemctl", "reset-failed", UNIT.name], capture_output=True, timeout=SECONDS, check=False)


def active() -> str:
    """What systemd says of it, in one word."""
    ran = subprocess.run(["systemctl", "is-active", UNIT.name], capture_output=True, text=True, timeout=SECONDS,
                         check=False)
    return ran.stdout.strip() or "unknown"


def _ask(verb: str) -> bool:
    return subprocess.run(["systemctl", "--quiet", verb, UNIT.name], capture_output=True, timeout=SECONDS,
                          check=False).returncode == 0


def _tell(*words: str) -> None:
    ran = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    if ran.returncode:
        raise UnitTrouble(f"systemctl {' '.join(words)}: {ran.stderr.strip() or ran.returncode}")
