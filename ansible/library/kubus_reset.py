"""Take away what Kubus put onto this machine, by its record, and leave what was there before.

The plan is made from three things: the footprint from before, the record of what is ours, and what is seen now. Each
step is safe to repeat; a run that was killed is simply run again.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.kubus_engine import ENGINES, is_ours, purgeable, reason
from ansible.module_utils.kubus_record import installed, settle

DOCUMENTATION = """
module: kubus_reset
short_description: Bring a machine back to what it was
options:
  part:
    description: >-
      machine is all but the footprint and the record, which a verification compares with and a second run goes by;
      memory is these two.
    type: str
    default: all
  docker: {description: Whether a Docker that came with us goes although others use it., type: bool, default: false}
"""

STATE = "/var/lib/kubus"
PATHS = ("/etc/kubus", "/opt/kubus", "/usr/local/bin/kubus", "/etc/sysctl.d/60-kubus.conf")
MEMORY = ("before.json", "owned.json")
ENGINE_PATHS = (
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/run/docker",
    "/run/containerd",
    "/run/docker.sock",
    "/run/docker.pid",
    "/etc/docker",
    "/opt/containerd",
    "/etc/containerd",
    "/root/.docker",
    "/etc/cni",
)
ENGINE_UNITS = ("docker.socket", "docker.service", "containerd.service")
ENGINE_GROUP = "docker"
FORWARDING = "net.ipv4.ip_forward"
ENVIRONMENT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C"}


class Machine:
    """Does a step, or in check mode only says it."""

    def __init__(self, check):
        self.check, self.steps, self.notes = check, [], []

    def step(self, words):
        """Whether to go on and do it."""
        self.steps.append(words)
        return not self.check

    def run(self, *command):
        """A command's output; its failure is the verification's to find, since each step is for leftovers."""
        try:
            ran = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT, check=False
            )
        except FileNotFoundError:
            return 127, ""
        return ran.returncode, ran.stdout.decode(errors="replace")


def units(machine, names):
    """Stop and disable; unit files of ours go."""
    for name in names:
        state = machine.run("systemctl", "show", name, "-p", "ActiveState,UnitFileState")[1]
        if ("ActiveState=inactive" not in state or "UnitFileState=enabled" in state) and machine.step(f"stop {name}"):
            machine.run("systemctl", "disable", "--now", name)


def unit_files(machine):
    """Ours, and the links to them."""
    for path in glob.glob("/etc/systemd/system/kubus-*") + glob.glob("/etc/systemd/system/*.wants/kubus-*"):
        if machine.step(f"remove {path}"):
            remove(path)


def remove(path):
    """A file, a link or a tree; what is mounted there is emptied, since the mount is not ours."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.ismount(path):
        for name in os.listdir(path):
            remove(os.path.join(path, name))
    elif os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)  # a socket


def unmount(below):
    """Deepest first."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        places = sorted((row.split()[1] for row in file), key=len, reverse=True)
    for place in places:
        if place.startswith(f"{below}/"):
            subprocess.run(["umount", "-l", place], stderr=subprocess.DEVNULL, check=False)


def firewall(machine, before):
    """Docker's chains and the rules that lead there; the policy of FORWARD as it was."""
    for program in ("iptables", "ip6tables"):
        code, saved = machine.run(f"{program}-save")
        if code:
            continue
        table = ""
        rows = [row for row in saved.splitlines() if row and not row.startswith(("#", "COMMIT"))]
        chains = []
        for row in rows:
            if row.startswith("*"):
                table = row[1:]
            elif row.startswith(":DOCKER"):
                chains.append((table, row[1:].split()[0]))
            elif (
                row.startswith("-A")
                and not row.startswith("-A DOCKER")
                and re.search(r"DOCKER|docker0|br-[0-9a-f]{12}", row)
            ):
                words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', row)]
                if row not in former(before, program, table) and machine.step(f"{program} {table}: remove {row}"):
                    machine.run(program, "-w", "-t", table, "-D", *words[1:])
        for flag, verb in (("-F", "empty"), ("-X", "remove")):
            for where, chain in chains:
                if machine.step(f"{program} {where}: {verb} chain {chain}"):
                    machine.run(program, "-w", "-t", where, flag, chain)
        policy = before.get("iptables", {}).get(f"{program} filter chain FORWARD", "ACCEPT")
        if re.search(rf"^:FORWARD (?!{policy} )", saved, re.M) and machine.step(f"{program}: FORWARD {policy}"):
            machine.run(program, "-w", "-P", "FORWARD", policy)


def former(before, program, table):
    """Rules that were there."""
    head = f"{program} {table} "
    return {key[len(head) :] for key in before.get("iptables", {}) if key.startswith(head)}


def tables(machine):
    """nftables' tables of ours, in case the agent could not be asked to leave."""
    for row in machine.run("nft", "list", "tables")[1].splitlines():
        words = row.split()
        if len(words) == 3 and words[2].startswith("kubus") and machine.step(f"remove {row}"):
            machine.run("nft", "delete", "table", *words[1:])


def links(machine, before, engine):
    """Bridges and tunnels that were not there."""
    pattern = r"^(kubus.*|docker0|docker_gwbridge|br-[0-9a-f]{12})$" if engine else r"^kubus"
    for name in os.listdir("/sys/class/net"):
        if name not in before.get("link", {}) and re.match(pattern, name) and machine.step(f"remove link {name}"):
            machine.run("ip", "link", "delete", name)


def made(machine, part):
    """What the agent made and could not take away itself: by the record, and only what is still there."""
    for kind, noun, flags in (
        ("containers", "container", ("-f", "-v")),
        ("docker networks", "network", ()),
        ("images", "image", ()),
    ):
        for name in part.get(kind, []):
            there = machine.run("docker", noun, "inspect", name)[0] == 0
            if there and machine.step(f"docker: remove {noun} {name}"):
                machine.run("docker", noun, "rm", *flags, name)
    for place in part.get("mounts", []):
        if os.path.ismount(place) and machine.step(f"unmount {place}"):
            machine.run("umount", "-l", place)
    for row in part.get("iptables", []):
        table, chain = row.split()
        if machine.run("iptables", "-w", "-t", table, "-S", chain)[0] == 0 and machine.step(f"remove chain {row}"):
            while machine.run("iptables", "-w", "-t", table, "-D", "FORWARD", "-j", chain)[0] == 0:
                continue
            machine.run("iptables", "-w", "-t", table, "-F", chain)
            machine.run("iptables", "-w", "-t", table, "-X", chain)
    for row in part.get("routes", []):
        if machine.run("ip", "-o", "route", "show", *row.split())[1].strip() and machine.step(f"remove route {row}"):
            machine.run("ip", "route", "delete", *row.split())


def groups_of_control(machine):
    """Empty cgroups that the engine leaves."""
    for pattern in (
        "/sys/fs/cgroup/docker",
        "/sys/fs/cgroup/*/docker",
        "/sys/fs/cgroup/kubus*",
        "/sys/fs/cgroup/*/kubus*",
    ):
        for top in glob.glob(pattern):
            if machine.step(f"remove cgroup {top}"):
                for folder, _, _ in os.walk(top, topdown=False):
                    try:
                        os.rmdir(folder)
                    except OSError:
                        break  # something lives in it: the verification names it


def choose(machine, before, record, forced):
    """(packages to purge, whether the engine goes, why it stays). Ours stay where something that came later needs them,
    and the engine with all that it needs where others use it."""
    came = set(record.get("packages", []))
    ours, kept, why = came & known(), {}, ""
    engines = sorted(set(ENGINES) & came & installed())
    if engines and not forced:
        why = reason(lambda: start_engine(machine), record.get("agent", {}), before)
        kept = dict.fromkeys(engines, why) if why else {}
    going, kept = purgeable(ours, lambda names: planned(machine, names), kept)
    machine.notes += [f"keep {name}: {words}" for name, words in sorted(kept.items())]
    engine = is_ours(came, going, installed())
    return going, engine, "" if engine or not engines else kept.get(engines[0], "")


def start_engine(machine):
    """A Docker that is stopped does not say what it holds."""
    if machine.step("start docker.service to ask what it holds"):
        machine.run("systemctl", "start", "docker.service")


def planned(machine, names):
    """What apt would take away with these."""
    said = machine.run("apt-get", "-s", "purge", *sorted(names))[1]
    return {name.split(":")[0] for name in re.findall(r"^(?:Purg|Remv) (\S+)", said, re.M)}


def packages(machine, going):
    """Purge them."""
    if going and machine.step(f"purge {', '.join(going)}"):
        code, said = machine.run("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "purge", *going)
        if code:
            raise OSError(f"apt-get purge failed: {said[-1500:]}")


def known():
    """Packages of which something is here, be it only their configuration."""
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"], stdout=subprocess.PIPE, check=True
    ).stdout.decode()
    return {row.split()[0] for row in said.splitlines() if row.split()[1:] != ["not-installed"]}


def accounts(machine, before, engine):
    """Users and groups that were not there."""
    for kind, names, command in (
        ("user", ("kubus",), "userdel"),
        ("group", ("kubus", *([ENGINE_GROUP] if engine else [])), "groupdel"),
    ):
        place = "/etc/passwd" if kind == "user" else "/etc/group"
        with open(place, encoding="utf-8") as file:
            here = {row.split(":")[0] for row in file}
        for name in names:
            if name in here and name not in before.get(kind, {}) and machine.step(f"remove {kind} {name}"):
                machine.run(command, name)


def settings(machine, record, engine):
    """Kernel settings as they were. A Docker that came with us and stays forwards packets still."""
    docker_stays = not engine and bool(set(ENGINES) & set(record.get("packages", [])))
    for key, value in record.get("sysctls", {}).items():
        if docker_stays and key.replace("/", ".") == FORWARDING:
            continue
        place = "/proc/sys/" + key.replace(".", "/")
        with open(place, encoding="utf-8") as file:
            now = file.read().strip()
        if now != value and machine.step(f"{key} = {value}"):
            with open(place, "w", encoding="utf-8") as file:
                file.write(value)


def is_there(path):
    """Whether there is something to remove; an empty mount is somebody's, and is all that may be left."""
    return os.path.lexists(path) and not (os.path.ismount(path) and not os.listdir(path))


def paths(machine, before, record, engine):
    """Folders and files, and what Ansible (and a Docker of ours) left in homes where it had been to for us only."""
    homes = [*glob.glob("/home/*"), "/root"]
    tools = [
        f"{home}/{name}"
        for home in homes
        for name in (".ansible", *((".docker",) if engine else ()))
        if f"{home}/{name}" not in before.get("file", {})
    ]
    wanted = [*record.get("paths", []), *(ENGINE_PATHS if engine else ()), *tools, *PATHS]
    for path in dict.fromkeys(wanted):
        if path in before.get("file", {}) and path not in PATHS and not os.path.ismount(path):
            continue
        if is_there(path) and machine.step(f"remove {path}"):
            unmount(path)
            remove(path)


def reset(machine, before, record, part="all", forced=False):
    """All of it, in an order in which nothing is pulled from under what still runs. Returns why Docker stays, or ""."""
    ours = [os.path.basename(path) for path in glob.glob("/etc/systemd/system/kubus-*.service")]
    units(machine, sorted(ours))
    unit_files(machine)
    made(machine, record.get("agent", {}))
    going, engine, why = choose(machine, before, record, forced)
    if engine:
        units(machine, [name for name in ENGINE_UNITS if name not in before.get("unit", {})])
        firewall(machine, before)
    tables(machine)
    links(machine, before, engine)
    packages(machine, going)
    groups_of_control(machine)
    accounts(machine, before, engine)
    settings(machine, record, engine)
    paths(machine, before, record, engine)
    memory(machine, keep=MEMORY if part == "machine" else ())
    if machine.steps and not machine.check:
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "reset-failed")
    return why


def memory(machine, keep=()):
    """Our own folder, last: a run that was killed before needs what it says."""
    left = [os.path.join(STATE, name) for name in sorted(os.listdir(STATE)) if name not in keep] if keep else [STATE]
    for path in left:
        if is_there(path) and machine.step(f"remove {path}"):
            unmount(path)
            remove(path)


def work(module, machine):
    """What was asked, by the footprint and the record. Returns why Docker stays, or "". Raises OSError."""
    if module.params["part"] == "memory":
        memory(machine)
        return ""
    with open(f"{STATE}/before.json", encoding="utf-8") as file:
        before = json.load(file)
    return reset(machine, before, settle(), module.params["part"], module.params["docker"])


def main():
    """See DOCUMENTATION."""
    module = AnsibleModule(
        argument_spec={
            "part": {"type": "str", "choices": ["all", "machine", "memory"], "default": "all"},
            "docker": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not os.path.exists(f"{STATE}/before.json"):
        left = [path for path in (*PATHS, STATE) if is_there(path)]
        if left:
            module.fail_json(
                msg=f"{STATE}/before.json is gone, so nobody can tell what was here before; still here: {left}"
            )
        module.exit_json(changed=False, steps=[], kept="")
    machine = Machine(module.check_mode)
    try:
        kept = work(module, machine)
    except OSError as error:
        module.fail_json(msg=f"{error}; done so far: {machine.steps}")
    module.exit_json(changed=bool(machine.steps), steps=machine.steps, notes=machine.notes, kept=kept)


if __name__ == "__main__":
    main()
