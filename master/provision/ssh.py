"""The one place that speaks SSH: looks at machines before Ansible works on them. The only importer of paramiko.

A host key is pinned in `~/.kubus/known_hosts` when a machine is met first (or compared with the fingerprint that the
operator gave beforehand) and must be the same ever after; Ansible and `kubus node ssh` read the same file. Reads
~/.ssh/config for HostName, User, Port, IdentityFile and ProxyJump, as Ansible's own ssh does. Refuses passwords, and
changes nothing.
"""

from __future__ import annotations

import base64
import fcntl
import getpass
import hashlib
import json
import logging
import shlex
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import paramiko
from msgspec import Struct

from schemas.errors import Unreachable

from .facts import Visit, decode
from .target import ProvisionError, Target

CONNECT_SECONDS = 10.0
LOOK_SECONDS = 60.0
GATHER = Path(__file__).with_name("gather.py")


class NoWay(Unreachable):
    """The machine did not answer on its SSH port."""


class NoEntry(ProvisionError):
    """It answered and did not let us in."""


class StrangeKey(ProvisionError):
    """Its host key is not the one pinned, or not the one the operator announced."""


class NoPython(ProvisionError):
    """It has no python3, which Ansible needs on the other side."""


class Ran(Struct, frozen=True):
    """How a command on the machine ended."""

    code: int
    out: bytes
    err: str


class Pins:
    """The pinned host keys: an OpenSSH known_hosts file, changed in place under a lock (Ansible may read it)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def load(self) -> paramiko.HostKeys:
        """What is pinned now."""
        return paramiko.HostKeys(str(self.path) if self.path.exists() else None)

    def pin(self, place: str, key: paramiko.PKey) -> None:
        """Remember this key from now on."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock, self.path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(f"{place} {key.get_name()} {key.get_base64()}\n")

    def forget(self, place: str) -> bool:
        """Drop a machine's pins (it was removed); was there any?"""
        if not self.path.exists():
            return False
        with self._lock, self.path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            lines = file.readlines()
            kept = [line for line in lines if line.split(" ", maxsplit=1)[0] != place]
            file.seek(0)
            file.truncate()
            file.writelines(kept)
        return len(kept) < len(lines)


class Link:
    """One open connection. Close it (it is a context manager)."""

    def __init__(self, target: Target, client: paramiko.SSHClient, pinned_now: bool) -> None:
        self.target, self._client, self.pinned_now = target, client, pinned_now
        self.fingerprint = fingerprint(_remote_key(client))

    def run(self, command: Sequence[str], stdin: bytes = b"", seconds: float = LOOK_SECONDS) -> Ran:
        """Run to its end. Raises NoWay when the connection breaks or the time is over."""
        said = shlex.join(command)
        try:
            to, out, err = self._client.exec_command(said, timeout=seconds)
            to.write(stdin)
            to.flush()
            to.channel.shutdown_write()
            raw = out.read()
            return Ran(out.channel.recv_exit_status(), raw, err.read().decode(errors="replace").strip())
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise NoWay(f"{self.target.shown}: `{said[:60]}` did not end within {seconds:.0f} s or the connection "
                        f"broke ({error or type(error).__name__})") from error

    def __enter__(self) -> Link:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._client.close()


class _Strangers(paramiko.MissingHostKeyPolicy):
    """First use: take the key, or compare it with the announced fingerprint."""

    def __init__(self, announced: str) -> None:
        self.announced, self.met = announced, False

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        if self.announced and fingerprint(key) != self.announced:
            raise StrangeKey(f"{hostname}: its host key is {fingerprint(key)}, not {self.announced} as given; "
                             "nothing was sent to it. Read the key at the machine's console "
                             "(`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`)")
        self.met = True


def connect(target: Target, pins: Pins, seconds: float = CONNECT_SECONDS) -> Link:
    """Log in with the agent's keys, the given key or ~/.ssh's. Raises NoWay, NoEntry, StrangeKey."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs tracebacks of what is raised here as words
    way = resolve(target)
    client = paramiko.SSHClient()
    client.get_host_keys().update(pins.load())
    policy = _Strangers(target.host_key)
    client.set_missing_host_key_policy(policy)
    try:
        _log_in(client, target, way, pins, seconds)
        key = _remote_key(client)
        if target.host_key and fingerprint(key) != target.host_key:
            raise StrangeKey(f"{target.shown}: its host key is {fingerprint(key)}, not {target.host_key} as given")
    except BaseException:
        client.close()
        raise
    if policy.met:
        pins.pin(place(way.host, way.port), key)
    return Link(target, client, policy.met)


def _log_in(client: paramiko.SSHClient, target: Target, way: Way, pins: Pins, seconds: float) -> None:
    try:
        client.connect(
            way.host, way.port, way.user, timeout=seconds, banner_timeout=seconds, auth_timeout=seconds,
            channel_timeout=seconds, look_for_keys=not way.keys, sock=_proxy(way),
            key_filename=list(way.keys),  # type: ignore[arg-type]  # a list is documented; the stubs know one file only
        )
    except paramiko.BadHostKeyException as error:
        raise StrangeKey(_changed(target, way, error, pins)) from error
    except (paramiko.AuthenticationException, paramiko.PasswordRequiredException) as error:
        raise NoEntry(f"{target.shown}: {way.user} may not log in ({error}); put a public key into ~{way.user}/.ssh/"
                      "authorized_keys there, or name the key with --key, the user with USER@") from error
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise NoWay(f"{target.shown}: no SSH at {way.host}:{way.port} within {seconds:.0f} s ({error}); is it on, is "
                    "the address right, is sshd running, is the port open?") from error


def look(target: Target, pins: Pins, reach: Sequence[tuple[str, int]] = ()) -> Visit:
    """Facts of one machine by one login. Raises what `connect` raises, NoPython and BadFacts."""
    with connect(target, pins) as link:
        asked = json.dumps({"reach": reach})
        rights = link.run(["sh", "-c", "[ $(id -u) = 0 ] || sudo -n true"])
        sudo = ["sudo", "-n"] if rights.code == 0 and link.run(["id", "-u"]).out.strip() != b"0" else []
        ran = link.run([*sudo, "python3", "-", asked], GATHER.read_bytes())
        ours = time.time()
        if ran.code == 127 or "python3: command not found" in ran.err:
            raise NoPython(f"{target.shown}: there is no python3, which Ansible needs there; run "
                           f"`apt-get install -y python3` (`kubus node ssh` is not possible yet: ssh {target.host})")
        facts = decode(ran.out or ran.err.encode(), target.shown)
        return Visit(facts=facts, our_clock=ours, fingerprint=link.fingerprint, pinned_now=link.pinned_now,
                     sudo=rights.code == 0)


def journal(target: Target, pins: Pins, lines: int = 15) -> str:
    """The newest lines of the machine's journal about us and Docker; "" when it cannot be had. Root's if possible."""
    asked = ["sh", "-c", 'S=; [ "$(id -u)" = 0 ] || S="sudo -n"; exec $S journalctl --no-pager -q -o short-iso '
             f"-n {lines} -u 'kubus-*' -u docker"]
    with connect(target, pins) as link:
        return link.run(asked, seconds=CONNECT_SECONDS).out.decode(errors="replace").rstrip()


class Way(Struct, frozen=True):
    """Where a target really is, after ~/.ssh/config."""

    host: str
    port: int
    user: str
    keys: tuple[str, ...] = ()
    proxy: str = ""


def resolve(target: Target, config: Path | None = None) -> Way:
    """What the command line says, else ~/.ssh/config, else SSH's defaults."""
    path = config or Path.home() / ".ssh" / "config"
    said = (paramiko.SSHConfig.from_path(str(path)) if path.exists() else paramiko.SSHConfig()).lookup(target.host)
    host, port = str(said.get("hostname", target.host)), target.port or int(said.get("port", 22))
    keys = (target.key,) if target.key else tuple(said.get("identityfile", ()))
    jump = str(said.get("proxyjump", "none"))
    proxy = str(said.get("proxycommand", "")) or (f"ssh -W {host}:{port} {jump}" if jump != "none" else "")
    return Way(host, port, target.user or str(said.get("user", getpass.getuser())),
               tuple(str(Path(key).expanduser()) for key in keys), proxy)


def place(host: str, port: int) -> str:
    """How known_hosts names a host (sshd(8))."""
    return host if port == 22 else f"[{host}]:{port}"


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def _remote_key(client: paramiko.SSHClient) -> paramiko.PKey:
    transport = client.get_transport()
    if transport is None:
        raise NoWay("the connection closed while it was being made; try again")
    return transport.get_remote_server_key()


def _proxy(way: Way) -> paramiko.ProxyCommand | socket.socket | None:
    return paramiko.ProxyCommand(way.proxy) if way.proxy else None


def _changed(target: Target, way: Way, error: paramiko.BadHostKeyException, pins: Pins) -> str:
    name = place(way.host, way.port)
    return (f"{target.shown}: its host key CHANGED: pinned {fingerprint(error.expected_key)}, "
            f"now {fingerprint(error.key)}. Either the machine was reinstalled, or somebody stands between. Compare at "
            "its console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`); if it is right, forget the old one: "
            f"`ssh-keygen -R '{name}' -f {pins.path}`")
