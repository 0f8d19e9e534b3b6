"""The fleet as a document: an Ansible inventory, text in, text out. Pure.

    all:
      vars: {…}                 what every machine shares
      children:
        masters: {hosts: {m1: {ansible_host: …}}}
        workers: {hosts: {n1: {ansible_host: …, kubus_labels: …}}}

We add a machine, change our own words of it, and take it out; whatever else an operator wrote (comments, groups,
variables, order, quotes) stays as it is. Groups may lie anywhere in the file. Refuses what is no inventory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from .target import ProvisionError, Target

MASTERS, WORKERS = "masters", "workers"
HEADER = """\
# The machines of this cluster, an Ansible inventory. `kubus node add` and `kubus node remove` edit it and keep what you
# write here; `ansible-playbook -i` this file works too.
"""


class BadInventory(ProvisionError):
    """The fleet file is no YAML, or no Ansible inventory."""


class Machine(Struct, frozen=True, kw_only=True):
    """One machine as the file tells it. `variables` are all that hold for it, its groups' included.

    `groups`: MASTERS, WORKERS, or both: a small cluster's first machine is often a worker too.
    """

    name: str
    groups: frozenset[str]
    variables: Mapping[str, Any] = {}

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups

    @property
    def is_worker(self) -> bool:
        return WORKERS in self.groups

    @property
    def target(self) -> Target:
        """How it is reached."""
        said = self.variables
        return Target(
            name=self.name, host=str(said.get("ansible_host", self.name)), user=str(said.get("ansible_user", "")),
            port=int(said.get("ansible_port", 0) or 0), key=str(said.get("ansible_ssh_private_key_file", "")),
            address=str(said.get("kubus_address", "")),
        )


def machines(text: str) -> tuple[Machine, ...]:
    """Every master and worker, in the file's order. Raises BadInventory."""
    found: dict[str, Machine] = {}
    top = _load(text)
    for path, group in _groups(top):
        roles = frozenset(path) & {MASTERS, WORKERS}
        shared: dict[str, Any] = {}
        for depth in range(len(path)):
            shared.update(_mapping(_at(top, path[: depth + 1]).get("vars")))
        for name, own in _mapping(group.get("hosts")).items():
            before = found.get(str(name))
            told = {**(before.variables if before else {}), **shared, **_mapping(own)}
            found[str(name)] = Machine(name=str(name), groups=roles | (before.groups if before else frozenset()),
                                       variables=told)
    return tuple(machine for machine in found.values() if machine.groups)


def shared(text: str) -> Mapping[str, Any]:
    """The variables of all machines (`all.vars`). Raises BadInventory."""
    return dict(_mapping(_mapping(_load(text).get("all")).get("vars")))


def with_machine(text: str, machine: Machine) -> str:
    """The text with this machine in its groups; what is there and not ours stays. Raises BadInventory."""
    top = _load(text)
    stands = {name for path, group in _groups(top) if machine.name in _mapping(group.get("hosts")) for name in path}
    for role in sorted(machine.groups - stands):
        _child(_group(top, role), "hosts")[machine.name] = {}
    place = _place_of(top, machine.name)
    for key, value in machine.variables.items():
        if value in ("", None):
            place.pop(key, None)
        elif place.get(key) != value:
            place[key] = value
    return _dump(top, text)


def without(text: str, name: str) -> str:
    """The text without this machine, wherever it stands. Raises BadInventory."""
    top = _load(text)
    for _, group in list(_groups(top)):
        hosts = group.get("hosts")
        if isinstance(hosts, dict):
            hosts.pop(name, None)
    return _dump(top, text)


def only_master(text: str, name: str) -> str:
    """The text with this machine among the masters alone, its variables kept. Raises BadInventory."""
    top = _load(text)
    kept: dict[str, Any] = {}
    for path, group in list(_groups(top)):
        hosts = group.get("hosts")
        if WORKERS in path and isinstance(hosts, dict) and name in hosts:
            kept.update(_mapping(hosts.pop(name)))
    place = _place_of(top, name)
    place.update({key: value for key, value in kept.items() if key not in place})
    return _dump(top, text)


def with_shared(text: str, variables: Mapping[str, Any]) -> str:
    """The text with these variables for all machines; an operator's other ones stay. Raises BadInventory."""
    top = _load(text)
    place = _child(_child(top, "all"), "vars")
    for key, value in variables.items():
        if place.get(key) != value:
            place[key] = value
    return _dump(top, text)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _load(text: str) -> Any:
    try:
        top = _yaml().load(text)
    except YAMLError as error:
        raise BadInventory(f"the inventory is not YAML: {str(error).splitlines()[0]}") from error
    top = _yaml().load("{}\n") if top is None else top
    if not isinstance(top, dict):
        raise BadInventory("the inventory must be a mapping of groups: `all:` with `children:`")
    for name, group in top.items():
        if group is not None and not isinstance(group, dict):
            raise BadInventory(f"the group {name} must be a mapping with `hosts:`, `vars:` or `children:`")
    return top


def _dump(top: Any, before: str) -> str:
    top.fa.set_block_style()
    out = io.StringIO()
    _yaml().dump(top, out)
    return out.getvalue() if before.strip() else HEADER + out.getvalue()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _groups(top: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(names from the top, group), parents before children."""
    level = top if not path else _mapping(_at(top, path).get("children"))
    for name, group in level.items():
        if isinstance(group, dict):
            yield (*path, str(name)), group
            yield from _groups(top, (*path, str(name)))


def _at(top: Any, path: tuple[str, ...]) -> Any:
    place = top[path[0]]
    for name in path[1:]:
        place = place["children"][name]
    return place


def _place_of(top: Any, name: str) -> Any:
    """The mapping of a machine's own variables; made where the machine stands with none. None = it stands nowhere."""
    first = None
    for _, group in _groups(top):
        hosts = group.get("hosts")
        if isinstance(hosts, dict) and name in hosts:
            if hosts[name]:
                return hosts[name]
            first = first or hosts
    if first is None:
        return None
    first[name] = {}
    return first[name]


def _group(top: Any, role: str) -> Any:
    found = next((group for path, group in _groups(top) if path[-1] == role), None)
    return found if found is not None else _child(_child(_child(top, "all"), "children"), role)


def _child(place: Any, key: str) -> Any:
    if not isinstance(place.get(key), dict):
        place[key] = {}
    return place[key]
