"""May this machine become a node (or a master)? Facts in, findings out. Pure.

A *refusal* stops that machine before anything is changed there; a *warning* is said and work goes on. Each finding says
what is, and what to do. Refuses nothing that the roles can put right themselves (Docker, packages, time-outs).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from .facts import Facts, Visit, World
from .limits import Role, limits

MIB = 1024 * 1024
OLDEST_PYTHON = (3, 8)  # what ansible-core 2.19 can drive on the other side
NEEDED_CONTROLLERS = ("cpu", "memory", "pids")


class Finding(Struct, frozen=True):
    """One thing seen. `check` is its short name (`--ignore` takes it), `todo` an order to the operator."""

    check: str
    refuses: bool
    words: str
    todo: str

    def __str__(self) -> str:
        return f"{self.words}; {self.todo}"


def check(visit: Visit, name: str, role: Role, world: World) -> tuple[Finding, ...]:
    """All findings of one machine that is to be called `name`."""
    facts = visit.facts
    found = [
        *_system(facts), *_python(facts), *_rights(visit), *_cgroups(facts), *_sizes(facts, role), *_disk(facts, role),
        *_clock(visit), *_engines(facts), *_reach(facts, world), *_name(facts, name, world), *_master(facts, name),
        *(_free_ports(facts) if role == "master" else _membership(facts, name, world)),
    ]
    return tuple(found)


def between(named: Sequence[tuple[str, Visit]]) -> tuple[tuple[Finding, ...], ...]:
    """Findings that only show when the machines of one command are laid side by side, in the same order."""
    found: list[tuple[Finding, ...]] = []
    for index, (name, visit) in enumerate(named):
        earlier = named[:index]
        here: list[Finding] = []
        if any(other == name for other, _ in earlier):
            here.append(Finding("name", True, f"two machines of this command would be called {name}",
                                "name them: `NAME=HOST`"))
        if any(other.facts.identity and other.facts.identity == visit.facts.identity
               and other.fingerprint == visit.fingerprint for _, other in earlier):
            here.append(Finding("machine", True, f"{name} is the same machine as an earlier one of this command",
                                "name each machine once"))
        found.append(tuple(here))
    return tuple(found)


def lenient(findings: Sequence[Finding], ignored: Sequence[str]) -> tuple[Finding, ...]:
    """The same, with refusals of the ignored checks turned into warnings."""
    return tuple(Finding(f.check, f.refuses and f.check not in ignored, f.words, f.todo) for f in findings)


def _system(facts: Facts) -> list[Finding]:
    found, systems, arches = [], limits().systems, limits().arches
    if facts.os_version not in systems.get(facts.os, ()):
        tried = "; ".join(f"{name} {', '.join(releases)}" for name, releases in systems.items())
        found.append(Finding("os", True, f"the system is {facts.os_name or facts.os or 'unknown'}",
                             f"Kubus provisions {tried}; `--ignore os` tries it all the same"))
    if facts.arch not in arches:
        found.append(Finding("arch", True, f"the processor is {facts.arch}", f"use one of {', '.join(arches)}"))
    if not facts.systemd:
        found.append(Finding("systemd", True, "systemd does not run there", "boot the machine with systemd as PID 1"))
    return found


def _python(facts: Facts) -> list[Finding]:
    if facts.python[:2] >= OLDEST_PYTHON:
        return []
    return [Finding("python", True, f"python3 is {'.'.join(map(str, facts.python))}",
                    f"upgrade the system: Ansible needs {'.'.join(map(str, OLDEST_PYTHON))} or newer there")]


def _rights(visit: Visit) -> list[Finding]:
    if visit.facts.root or visit.sudo:
        return []
    return [Finding("sudo", True, "the user is not root and sudo asks for a password",
                    "allow it without one (`USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/kubus), or log in as root")]


def _cgroups(facts: Facts) -> list[Finding]:
    if not facts.cgroups:
        return [Finding("cgroups", True, "no cgroup hierarchy is mounted", "boot a kernel with cgroups")]
    missing = [name for name in NEEDED_CONTROLLERS if name not in facts.controllers]
    if not missing:
        return []
    refuses = any(name in limits().controllers for name in missing)
    return [Finding("cgroups", refuses, f"cgroup controllers are missing: {', '.join(missing)}",
                    "add `cgroup_enable=memory cgroup_memory=1` to the kernel's command line and reboot")]


def _sizes(facts: Facts, role: Role) -> list[Finding]:
    has: dict[Role, bool] = {"master": bool(facts.master), "worker": bool(facts.node), role: True}
    roles = [each for each, there in has.items() if there]
    bound, memory = limits().memory(roles), facts.memory // MIB
    if memory >= bound.warned:
        return []
    return [Finding("memory", memory < bound.refused, f"the machine has {memory} MiB of memory",
                    f"a {' and '.join(roles)} wants {bound.warned:.0f} MiB, and does not start with less than "
                    f"{bound.refused:.0f}")]


def _disk(facts: Facts, role: Role) -> list[Finding]:
    found = []
    space, speed, free = limits().disk_mib[role], limits().fsync_ms[role], facts.disk_free // MIB
    if free < space.warned:
        found.append(Finding("disk", free < space.refused, f"{free} MiB are free for /opt and /var/lib",
                             f"free {space.warned:.0f} MiB, at the least {space.refused:.0f}"))
    if facts.fsync_ms > speed.warned:
        found.append(Finding("fsync", facts.fsync_ms > speed.refused, f"a small write reaches the disk in "
                             f"{facts.fsync_ms:.0f} ms, a {role} wants {speed.warned:.0f}",
                             "use a faster disk, or expect slow changes"))
    return found


def _clock(visit: Visit) -> list[Finding]:
    skew = visit.facts.clock - visit.our_clock
    if abs(skew) <= limits().skew_seconds.warned:
        return []
    way = "ahead of" if skew > 0 else "behind"
    return [Finding("clock", abs(skew) > limits().skew_seconds.refused, f"its clock is {abs(skew):.0f} s {way} ours",
                    "set it (`timedatectl set-ntp true`) here or there: certificates and proofs carry times")]


def _engines(facts: Facts) -> list[Finding]:
    found = []
    others = [name for name in facts.engines if name in limits().orchestrators]
    if others:
        found.append(Finding("engines", True, f"another orchestrator runs there: {', '.join(others)}",
                             "remove it first: both would rule over the same rules, routes and containers"))
    if facts.docker.containers and not facts.node:
        found.append(Finding("docker", False, f"its Docker {facts.docker.version} has {facts.docker.containers} "
                             "container(s)", "they stay; Kubus uses this Docker and touches only what it made itself"))
    return found


def _reach(facts: Facts, world: World) -> list[Finding]:
    return [
        Finding("reach", True, f"from there {host}:{port} cannot be reached ({why})",
                "open the way outward (firewall, route), or name another address of the master")
        for (host, port), why in zip(world.reach, facts.reach, strict=False) if why
    ]


def _name(facts: Facts, name: str, world: World) -> list[Finding]:
    there = next((known for known in world.nodes if known.name == name), None)
    if there is None or there.is_machine(facts):
        return []
    if there.ready:
        return [Finding("name", True, f"another machine is the node {name} and is Ready",
                        f"choose another name (`NAME=HOST`), or `kubus node remove {name}` first")]
    return [Finding("name", True, f"another machine (or an earlier installation of this one) was the node {name}",
                    f"`kubus node remove {name} --force` first, and this one takes its place")]


def _master(facts: Facts, name: str) -> list[Finding]:
    if facts.master_name in ("", name):
        return []
    return [Finding("joined", True, f"the machine is the master {facts.master_name}",
                    f"keep that name (`{facts.master_name}=HOST`): one machine has one name")]


def _membership(facts: Facts, name: str, world: World) -> list[Finding]:
    if not facts.node:
        return []
    if world.ca_cert and facts.agent_ca and facts.agent_ca.strip() != world.ca_cert.strip():
        return [Finding("joined", True, f"the machine is node {facts.node} of another cluster",
                        "run `kubus agent leave` there, or remove the node from that cluster")]
    if facts.node != name:
        return [Finding("joined", True, f"the machine is already node {facts.node} of this cluster",
                        f"keep that name, or `kubus node remove {facts.node}` first")]
    return []


def _free_ports(facts: Facts) -> list[Finding]:
    taken = [str(port) for port in limits().ports["master"] if port in facts.listening]
    if not taken or facts.master:
        return []
    return [Finding("ports", True, f"ports that a master needs are taken: {', '.join(taken)}",
                    "stop what listens there (`ss -ltnp`)")]
