"""One look at a machine before anything is changed: what it is, and in words what would not work."""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: kubus_preflight
short_description: Facts and problems of a machine that is to be provisioned
options:
  name: {description: Its name in the inventory; an address means its hostname is taken., type: str, required: true}
  address: {description: How others reach it; no address means the one it sends from., type: str, default: ""}
  now: {description: The control machine's clock., type: float, required: true}
  roles: {description: master or worker or both., type: list, elements: str, required: true}
  reach: {description: Of these host:port one must answer a machine that joins., type: list, elements: str, default: []}
  limits: {description: What a machine must be; vars/main.yml of the role preflight., type: dict, required: true}
"""

PYTHON = (3, 11)
FSYNCS = 8
MIB = 1 << 20
REACH_SECONDS = 5.0
LONGEST_NAME, LABEL = 63, "[a-z0-9]([-a-z0-9]*[a-z0-9])?"  # the rule of master/provision/target.py
FIRMWARE = ("/sys/class/dmi/id/product_uuid", "/proc/device-tree/serial-number")
PLACEHOLDERS = ("03000200-0400-0500-0006-000700080009", "ffffffff-ffff-ffff-ffff-ffffffffffff")


def text(path):
    """A file's content, "" when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def system():
    """(ID, VERSION_ID, PRETTY_NAME) of os-release(5)."""
    found = dict(row.split("=", 1) for row in text("/etc/os-release").splitlines() if "=" in row)
    return [found.get(key, "").strip("\"'") for key in ("ID", "VERSION_ID", "PRETTY_NAME")]


def interpreter():
    """(path, "3.x") of the first Python that is new enough; ("", "")."""
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        path = shutil.which(name)
        if path:
            said = (
                subprocess.run(
                    [path, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=False,
                )
                .stdout.decode()
                .strip()
            )
            if said and tuple(map(int, said.split("."))) >= PYTHON:
                return path, said
    return "", ""


def fsync_ms(folder):
    """Median milliseconds until 4 KiB are on the disk."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(FSYNCS):
            began = time.monotonic()
            file.write(b"k" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            times.append((time.monotonic() - began) * 1000)
    return sorted(times)[len(times) // 2]


def cgroups():
    """Names of the controllers that containers can be limited with."""
    unified = text("/sys/fs/cgroup/cgroup.controllers").split()
    return unified or [row.split()[0] for row in text("/proc/cgroups").splitlines()[1:] if row.split()[-1] == "1"]


def own_address(wanted):
    """The wanted one if it is an address, else the one this machine sends from."""
    try:
        return str(ipaddress.ip_address(wanted))
    except ValueError:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            return probe.getsockname()[0]
        except OSError:
            return ""


def own_name(wanted):
    """The inventory's name, or the hostname when the inventory has an address."""
    try:
        ipaddress.ip_address(wanted)
        return socket.gethostname().split(".")[0].lower()
    except ValueError:
        return wanted.lower()


def docker():
    """("answers" | "installed" | "absent", another orchestrator that runs, or "")."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        try:
            link.connect("/var/run/docker.sock")
            link.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return "answers" if b" 200 " in link.recv(64) else "installed"
        except OSError:
            return "installed" if shutil.which("dockerd") else "absent"


def stranger(known):
    """Another orchestrator on this machine."""
    running = {text(f"/proc/{pid}/comm") for pid in os.listdir("/proc") if pid.isdigit()}
    return next(iter(running & set(known)), "")


def node():
    """The node this machine is already, "" when it has not joined."""
    try:
        return json.loads(text("/etc/kubus/agent.json") or "{}").get("node", "")
    except ValueError:
        return "of an unreadable /etc/kubus/agent.json"


def master():
    """Whether this machine is a master, of whichever cluster."""
    return os.path.exists("/etc/kubus/master.json")


def taken(ports):
    """Those of the ports that something listens on which is not Kubus."""
    rows = [row.split() for path in ("/proc/net/tcp", "/proc/net/tcp6") for row in text(path).splitlines()[1:]]
    busy = {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}
    return [] if master() else sorted(busy & set(ports))


def unreachable(places):
    """Why none of host:port answers; [] when one does: whoever joins tries all, and one of several may be off."""
    found = []
    for place in places:
        host, _, port = place.rpartition(":") if place.rpartition(":")[2].isdecimal() else (place, "", "443")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_SECONDS).close()
            return []
        except OSError as error:
            found.append(f"{place} does not answer ({error}): open it outward, or correct kubus_api_servers")
    return found


def firmware():
    """The firmware's id of the machine; "" for none and for what a board's maker left there."""
    found = [text(place).rstrip("\0").lower() for place in FIRMWARE]
    return next((known for known in found if known.strip("0-") and known not in PLACEHOLDERS), "")


def identity():
    """Which machine this is, "" when nothing tells. master/provision has the same rule (gather.py, facts.py).

    With the host key: clones often have one machine-id, but the same machine has the same key under every name.
    """
    known = firmware() or text("/etc/machine-id")
    keys = [text(path) for path in sorted(glob.glob("/etc/ssh/ssh_host_*_key.pub"))]
    return " ".join([known, *(key.split()[1] for key in keys if len(key.split()) > 1)]) if known else ""


def look(asked):
    """Everything this machine is."""
    ident, version, shown = system()
    python, python_version = interpreter()
    disk = os.statvfs("/var/lib")
    memory = int(dict(row.split(":", 1) for row in text("/proc/meminfo").splitlines())["MemTotal"].split()[0]) // 1024
    link = "/opt/kubus/venv"
    return {
        "name": own_name(asked["name"]),
        "address": own_address(asked["address"]),
        "os": ident,
        "os_version": version,
        "os_name": shown,
        "arch": platform.machine(),
        "python": python,
        "python_version": python_version,
        "memory_mib": memory,
        "disk_mib": disk.f_bavail * disk.f_frsize // MIB,
        "fsync_ms": round(fsync_ms("/var/lib"), 1),
        "cgroups": cgroups(),
        "systemd": os.path.isdir("/run/systemd/system"),
        "clock": time.time(),
        "skew": round(time.time() - asked["now"], 1),
        "machine": identity(),
        "docker": docker(),
        "stranger": stranger(asked["limits"]["orchestrators"]),
        "taken": taken(port for role in asked["roles"] for port in asked["limits"]["ports"][role]),
        # who has joined knows where its masters are, and runs on without them
        "silent": [] if node() else unreachable(asked["reach"]),
        "venv": os.readlink(link) if os.path.islink(link) else "",
        "node": node(),
        "master": master(),
    }


def problems(seen, roles, limits):
    """(short name of the check, what would not work and what to do about it). Pure."""
    role, systems = " and ".join(roles), limits["systems"]
    # room for both, and a disk that is fast enough for either
    memory, disk = (sum(limits[key][one]["refused"] for one in roles) for key in ("memory_mib", "disk_mib"))
    fsync = min(limits["fsync_ms"][one]["refused"] for one in roles)
    python_comes = (seen["os"], seen["os_version"]) == ("ubuntu", "22.04")
    rules = (
        (
            "os",
            seen["os_version"] not in systems.get(seen["os"], ()),
            f"the system is {seen['os_name'] or 'unknown'}: use one of {systems}",
        ),
        (
            "arch",
            seen["arch"] not in limits["arches"],
            f"the processor is {seen['arch']}: use one of {', '.join(limits['arches'])}",
        ),
        ("systemd", not seen["systemd"], "systemd is not PID 1: boot the machine with it"),
        (
            "python",
            not seen["python"] and not python_comes,
            "there is no Python 3.11 or newer with its venv module: install python3",
        ),
        (
            "cgroups",
            not set(limits["controllers"]) <= set(seen["cgroups"]),
            f"of the cgroups only {', '.join(seen['cgroups']) or 'none'} are there: add "
            "`cgroup_enable=memory cgroup_memory=1` to the kernel's command line and reboot",
        ),
        ("memory", seen["memory_mib"] < memory, f"{seen['memory_mib']} MiB of memory; a {role} needs {memory}"),
        ("disk", seen["disk_mib"] < disk, f"{seen['disk_mib']} MiB free in /var/lib; a {role} needs {disk}"),
        (
            "fsync",
            seen["fsync_ms"] > fsync,
            f"a small write takes {seen['fsync_ms']} ms; a {role} needs {fsync}: use a faster disk",
        ),
        (
            # behind is certain: the question was asked before. Ahead may be our slow way: the role judges it afterwards
            "clock",
            seen["skew"] < -limits["skew_seconds"]["refused"],
            f"its clock is {-seen['skew']} s behind the control machine's: `timedatectl set-ntp true` on both",
        ),
        (
            "engines",
            bool(seen["stranger"]),
            f"{seen['stranger']} runs here and would fight for the machine: remove it first",
        ),
        ("ports", bool(seen["taken"]), f"something listens on {', '.join(map(str, seen['taken']))}: stop it"),
        ("address", not seen["address"], "the machine has no route outward: set kubus_address"),
        (
            "joined",
            seen["node"] not in ("", seen["name"]) and "worker" in roles,
            f"this machine is node {seen['node']} already: reset it (reset.yml), or keep that name",
        ),
        (
            "name",
            len(seen["name"]) > LONGEST_NAME or not re.fullmatch(rf"{LABEL}(\.{LABEL})*", seen["name"]),
            f"a node cannot be called {seen['name']!r}: set kubus_node_name (lower-case letters, digits, '-', '.', "
            f"at the most {LONGEST_NAME})",
        ),
    )
    return [{"check": check, "words": words} for check, broken, words in rules if broken] + [
        {"check": "reach", "words": words} for words in seen["silent"]
    ]


def main():
    """See DOCUMENTATION."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "default": ""},
            "now": {"type": "float", "required": True},
            "roles": {"type": "list", "elements": "str", "choices": ["master", "worker"], "required": True},
            "reach": {"type": "list", "elements": "str", "default": []},
            "limits": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    seen = look(module.params)
    found = problems(seen, module.params["roles"], module.params["limits"])
    module.exit_json(changed=False, problems=found, **seen)


if __name__ == "__main__":
    main()
