#!/usr/bin/env python3
"""What is on this machine that Kubus, Docker, pip or Ansible could change: taken before, compared after.

    footprint.py take FILE     write the footprint ("-": print it); refuses to overwrite a file
    footprint.py diff FILE     print what differs from it ("-": read it from stdin), a line each; exit 1 then

Python's standard library only, Python 3.8 or newer; reads everything, writes nothing but FILE, needs root.
A footprint is {section: {key: value}}. It is strict: what an operator changed since is listed as well. What moves by
itself is left out, and MOVING says why.
"""

from __future__ import annotations

import glob
import hashlib
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

Rows = dict[str, str]

TREES = ("/etc", "/usr/local/bin", "/usr/local/sbin", "/usr/lib/systemd/system", "/var/spool/cron")
"""Folders whose every file is compared by type, mode, owner and content."""
NAMES = (
    "/",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/libexec",
    "/usr/local",
    "/usr/local/lib",
    "/opt",
    "/opt/*",
    "/srv",
    "/var",
    "/var/lib",
    "/var/cache",
    "/var/opt",
    "/run",
    "/home",
    "/root",
    "/usr/share",
)
"""Folders of which only the names are compared: their content is a package's, or a person's."""
HOMES = (".ansible", ".cache", ".config", ".docker", ".kubus", ".local", ".gnupg", ".pki")
"""What tools leave in a home: compared by name, two levels deep."""
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
OURS = re.compile(r"ansible|kubus|pip-|docker|containerd|etcd|nats")

# Moves by itself, or with every package that anybody installs; compared by nobody.
MOVING: tuple[tuple[str, str], ...] = (
    (
        r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$",
        "compared by line; the `-` files are backups",
    ),
    (r"/etc/\.pwd\.lock$", "a lock that the user tools leave"),
    (r"/etc/ld\.so\.cache$", "an index of libraries, rebuilt by any package"),
    (
        r"/etc/(mtab|resolv\.conf|adjtime|machine-id|hostname|hosts)$",
        "belongs to DHCP, the clock, the owner",
    ),
    (r"/etc/ssl/certs(/.*)?$", "derived from ca-certificates by its hooks"),
    (r"/etc/apt/.*", "the operator's package sources"),
    (
        r"/etc/(alternatives/.*|rc\w?\.d/\.depend.*)",
        "indexes; their targets are compared as names",
    ),
    (r".*/__pycache__(/.*)?$", "Python's own cache beside files that are compared; ours lie below /opt/kubus"),
    (r"/tmp/ansible_[\w.]+_payload_\w+$", "the very module that runs this; Ansible removes it when it ends"),
    (r"/usr/local/share/fonts(/.*)?$|/usr/share/fonts.*", "indexes"),
    (
        r"/var/lib/(dpkg|apt|systemd|ucf|pam|dbus|misc|polkit-1|private|NetworkManager|dhcp.*|chrony|ntpsec|logrotate|man-db|ieee-data|"
        r"update-.*|command-not-found|sudo|snapd|ubuntu-.*|plymouth|os-prober|grub|initramfs-tools|python|shells\.state|xml-core|xfonts|git)$",
        "state of the system itself; packages are compared one by one",
    ),
    (r"/var/cache/.*", "caches"),
    (r"/var/(log|mail|backups|crash|lock|run|spool|tmp|local)$", "logs, backups, mail"),
    (r"/var/lib/systemd/.*", "timers' stamps, random seed, unit state of package scripts"),
    (
        r"/run/(adduser|user|utmp|udev|systemd|log|lock|shm|sshd.*|ssh-.*|dbus|sudo|cryptsetup|initctl|blkid|mount|motd.*|agetty.*|"
        r"credentials|host|initramfs|sendsigs.*|tmpfiles.*|cloud-init|dhclient.*|chrony.*|uuidd|needrestart|xtables\.lock|ebtables\.lock|"
        r"rpc_pipefs|resolvconf|network|ifstate|unattended-upgrades.*|apport.*|screen|snapd.*|machine-id|log|nologin|reboot-required.*|"
        r"[a-z-]+\.(pid|lock|reboot))$",
        "run-time files of the system's own services; a docker or kubus there is not among them",
    ),
    (r"/root/\.(bash_history|lesshst|viminfo|wget-hsts|python_history|ssh)$", "a person's"),
)
_MOVING = re.compile("|".join(f"(?:{pattern})" for pattern, _ in MOVING))
MOVING_MOUNTS = re.compile(r"/run/(user|credentials|netns$)|/proc/sys/fs/binfmt_misc|/var/lib/(docker|containerd)$")
"""Sessions', units' and an auto-mount's; the engine's own data folders when an operator mounts them are his."""
SYSCTLS = (
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/forwarding",
    "net/ipv4/conf/default/forwarding",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/default/rp_filter",
    "net/ipv4/conf/all/route_localnet",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "vm/max_map_count",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/keys/root_maxkeys",
)
"""Those that containers' engines and orchestrators set. Kernel modules are not compared: one that is loaded does
nothing until used, and unloading it may pull the ground from under somebody else."""
PROCESSES = re.compile(r"^(dockerd|docker-proxy|containerd|containerd-shim.*|kubus|etcd|nats-server|ansible.*)$")
XTABLES = ("filter", "nat", "mangle", "raw", "security")


def take() -> dict[str, Rows]:
    """The machine, section by section."""
    return {name: dict(sorted(look())) for name, look in SECTIONS.items()}


def said(*command: str) -> list[str]:
    """A command's lines; none when the program is missing or refuses (an absent tool has changed nothing)."""
    try:
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
        ran = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
            env={"PATH": path, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return ran.stdout.decode(errors="replace").splitlines()


def packages() -> Iterator[tuple[str, str]]:
    """Installed, or removed with their configuration left. Versions move with every security update."""
    for row in said("dpkg-query", "-W", "-f", "${Package}:${Architecture} ${db:Status-Abbrev}\n"):
        name, _, state = row.partition(" ")
        yield name, state.strip()


def accounts(path: str) -> Callable[[], Iterator[tuple[str, str]]]:
    """Lines of passwd, group, subuid …, by name. Never shadow: passwords do not belong into a footprint."""

    def look() -> Iterator[tuple[str, str]]:
        for row in lines(path):
            name, _, rest = row.partition(":")
            yield name, rest

    return look


def lines(path: str) -> list[str]:
    """A file's lines; none when it is not there."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def files() -> Iterator[tuple[str, str]]:
    """Every file of TREES, names of NAMES, tools' folders in homes, and what looks like ours in temporary folders."""
    for tree in TREES:
        for folder, below, names in os.walk(tree):
            for name in (*names, *below):
                yield from one(f"{folder}/{name}")
    for folder in NAMES:
        for place in sorted(glob.glob(folder)):
            yield from listed(place)
    for home in homes():
        for name in HOMES:
            if os.path.lexists(f"{home}/{name}"):
                yield f"{home}/{name}", "there"
                yield from listed(f"{home}/{name}")
    for folder in TEMPORARY:
        yield from ((path, shown) for path, shown in listed(folder) if OURS.search(path))


def listed(folder: str) -> Iterator[tuple[str, str]]:
    """Names in a folder."""
    try:
        for name in os.listdir(folder):
            path = f"{folder.rstrip('/')}/{name}"
            if not _MOVING.match(path):
                yield path, "there"
    except OSError:
        return


def homes() -> Iterable[str]:
    """Homes that exist, of people and of root."""
    found = {row.split(":")[5] for row in lines("/etc/passwd") if row.count(":") == 6}
    return sorted(home for home in found if home == "/root" or home.startswith("/home/"))


def one(path: str) -> Iterator[tuple[str, str]]:
    """One file: type, mode, owner, and a digest of its content."""
    if _MOVING.match(path):
        return
    try:
        seen = os.lstat(path)
        if stat.S_ISLNK(seen.st_mode):
            yield path, f"-> {os.readlink(path)}"
        elif stat.S_ISREG(seen.st_mode):
            digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
            yield path, f"{seen.st_mode:o} {seen.st_uid}:{seen.st_gid} {digest}"
        else:
            yield path, f"{seen.st_mode:o} {seen.st_uid}:{seen.st_gid}"
    except OSError:
        return


def sysctls() -> Iterator[tuple[str, str]]:
    """Values in force."""
    for key in SYSCTLS:
        for row in lines(f"/proc/sys/{key}"):
            yield key.replace("/", "."), row


def links() -> Iterator[tuple[str, str]]:
    """Network devices, and who masters them."""
    for path in Path("/sys/class/net").iterdir():
        master = path / "master"
        yield path.name, os.path.basename(os.readlink(master)) if master.is_symlink() else "alone"


def routes() -> Iterator[tuple[str, str]]:
    """Routes of all tables and the rules that choose a table, without what DHCP counts down."""
    for family in ("-4", "-6"):
        for row in said("ip", family, "route", "show", "table", "all"):
            yield f"{family} {re.sub(r' (expires|metric|proto|pref) [^ ]+', '', row).strip()}", "route"
        for row in said("ip", family, "rule", "show"):
            yield f"{family} {row}", "rule"


def xtables() -> Iterator[tuple[str, str]]:
    """Rules, chains and policies as iptables sees them; built-in chains that accept are the same as none."""
    for program in ("iptables", "ip6tables"):
        table = ""
        for row in said(f"{program}-save"):
            if row.startswith("*"):
                table = row[1:]
            elif row.startswith(":"):
                name, policy = row[1:].split()[:2]
                if policy != "ACCEPT":
                    yield f"{program} {table} chain {name}", policy
            elif row.startswith("-A"):
                yield f"{program} {table} {row}", "rule"


def nftables() -> Iterator[tuple[str, str]]:
    """Tables with something in them. Those of iptables' names hold what `xtables` shows, unless iptables is gone."""
    seen_by_iptables = bool(said("iptables", "--version"))
    for head in said("nft", "list", "tables"):
        _, family, name = head.split()[:3]
        if seen_by_iptables and family in ("ip", "ip6") and name in XTABLES:
            continue
        rows = [row.strip() for row in said("nft", "-s", "list", "table", family, name)]
        loud = [
            row
            for row in rows
            if row not in ("", "}") and not re.match(r"(table|chain|#)|type .* policy accept;$", row)
        ]
        own_chains = [row for row in rows if row.startswith("chain") and not based(rows, row)]
        if loud or own_chains:
            yield head, hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def based(rows: list[str], chain: str) -> bool:
    """Whether this chain hangs on a hook (those that do not are somebody's making)."""
    following = rows[rows.index(chain) + 1] if rows.index(chain) + 1 < len(rows) else ""
    return following.startswith("type ")


def namespaces() -> Iterator[tuple[str, str]]:
    """Named network namespaces, and Docker's that live: it removes the files of dead ones within a minute."""
    yield from listed("/run/netns")
    mounted = {row.split()[4] for row in lines("/proc/self/mountinfo")}
    yield from ((path, shown) for path, shown in listed("/run/docker/netns") if path in mounted)


def mounts() -> Iterator[tuple[str, str]]:
    """Mount points and their file systems."""
    for row in lines("/proc/self/mountinfo"):
        left, _, right = row.partition(" - ")
        place = left.split()[4]
        if not MOVING_MOUNTS.match(place):
            yield place, right.split()[0]


def cgroups() -> Iterator[tuple[str, str]]:
    """Groups of the engine or of ours, in any hierarchy, three levels deep."""
    for folder, below, _ in os.walk("/sys/fs/cgroup"):
        depth = folder.count("/") - 3
        yield from ((f"{folder}/{name}", "there") for name in below if OURS.search(name))
        if depth >= 2:
            below.clear()


def units() -> Iterator[tuple[str, str]]:
    """Unit files and whether they are enabled; units that failed."""
    for row in said("systemctl", "list-unit-files", "--no-legend", "--no-pager"):
        name, state = row.split()[:2]
        if state != "transient":
            yield name, state
    for row in said("systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager"):
        yield f"{row.split()[0]} (run)", "failed"


def processes() -> Iterator[tuple[str, str]]:
    """Programs of ours or of the engine that run, and anything that runs from our folder."""
    for path in Path("/proc").glob("[0-9]*"):
        name = "".join(lines(f"{path}/comm"))
        words = "".join(lines(f"{path}/cmdline")).split("\0")
        if PROCESSES.match(name) or any(word.startswith("/opt/kubus/") for word in words[:2]):
            yield name, "runs"


class Engine(http.client.HTTPConnection):
    """Docker's API over its socket."""

    def connect(self) -> None:
        """HTTPConnection's, but local."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect("/var/run/docker.sock")


def docker() -> Iterator[tuple[str, str]]:
    """Containers, images, networks and volumes of an engine that answers."""
    try:
        for row in asked("/containers/json?all=1"):
            yield f"container {row['Id'][:12]}", "".join(row["Names"])
        for row in asked("/images/json"):
            yield f"image {row['Id'][7:19]}", ",".join(row.get("RepoTags") or [])
        for row in asked("/networks"):
            yield f"network {row['Name']}", row["Driver"]
        for row in asked("/volumes")["Volumes"] or []:
            yield f"volume {row['Name']}", row["Driver"]
    except (OSError, http.client.HTTPException):
        return


def asked(path: str):  # type: ignore[no-untyped-def]
    """The engine's answer as plain values."""
    link = Engine("docker")
    try:
        link.request("GET", path)
        return json.loads(link.getresponse().read())
    finally:
        link.close()


SECTIONS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "package": packages, "user": accounts("/etc/passwd"), "group": accounts("/etc/group"),
    "subuid": accounts("/etc/subuid"), "subgid": accounts("/etc/subgid"), "file": files, "sysctl": sysctls,
    "link": links, "route": routes, "iptables": xtables, "nft": nftables, "namespace": namespaces, "mount": mounts,
    "cgroup": cgroups, "unit": units, "process": processes, "docker": docker,
}  # fmt: skip


def differences(before: dict[str, Rows], after: dict[str, Rows]) -> list[str]:
    """One line per difference, in the order of the sections."""
    found = []
    for section in SECTIONS:
        old, new = before.get(section, {}), after.get(section, {})
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                if key not in old:
                    found.append(f"{section} is new: {key} ({new[key]})")
                elif key not in new:
                    found.append(f"{section} is gone: {key} ({old[key]})")
                else:
                    found.append(f"{section} changed: {key} ({old[key]} => {new[key]})")
    return found


def write(path: str) -> int:
    """Take it into a file that only root reads; never over an older one, which would forget what was before."""
    text = json.dumps(take(), indent=0)
    if path == "-":
        sys.stdout.write(text + "\n")
        return 0
    if os.path.exists(path):
        sys.stderr.write(f"{path} is there already: a footprint is taken once, before anything is changed\n")
        return 1
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.rename(f"{path}.new", path)
    return 0


def main(words: list[str]) -> int:
    """0 done and nothing differs, 1 something differs or the file is there, 2 wrong usage."""
    if len(words) != 2 or words[0] not in ("take", "diff"):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    if words[0] == "take":
        return write(words[1])
    before = json.load(sys.stdin) if words[1] == "-" else json.loads(Path(words[1]).read_text(encoding="utf-8"))
    found = differences(before, take())
    sys.stdout.write("".join(f"{row}\n" for row in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
