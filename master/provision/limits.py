"""What a machine must be, to be refused or warned of: the same numbers as the roles', read from the roles' own file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

import msgspec
import yaml
from msgspec import Struct

from .places import ansible_folder

FILE = "roles/preflight/vars/main.yml"

Role = Literal["worker", "master"]


class Bound(Struct, frozen=True, forbid_unknown_fields=True):
    """Beyond `refused` nothing is done there; beyond `warned` it is said."""

    refused: float
    warned: float


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As the file has them: MiB, milliseconds, seconds."""

    systems: Mapping[str, tuple[str, ...]]
    arches: tuple[str, ...]
    controllers: tuple[str, ...]
    orchestrators: tuple[str, ...]
    ports: Mapping[Role, tuple[int, ...]]
    skew_seconds: Bound
    memory_mib: Mapping[Role, Bound]
    disk_mib: Mapping[Role, Bound]
    fsync_ms: Mapping[Role, Bound]

    def memory(self, roles: Iterable[Role]) -> Bound:
        """Of a machine that has all these roles."""
        bounds = [self.memory_mib[role] for role in roles]
        return Bound(sum(bound.refused for bound in bounds), sum(bound.warned for bound in bounds))


@cache
def limits() -> Limits:
    """Raises RolesMissing."""
    told = yaml.safe_load((ansible_folder() / FILE).read_text())
    return msgspec.convert(told["preflight_limits"], Limits)
