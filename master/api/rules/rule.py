"""What the rules of a kind are: one frozen row of pure functions. The registry is in `__init__.py`.

    create:  obj = defaults(prepare_create(obj));                       causes = validate(obj)
    update:  new = prepare_update(old, defaults(sent), subresource);    causes = validate(new) + may_change(old, new)

`defaults` comes before `prepare_update`: else a client that leaves defaults out would seem to change the spec, and the
generation would move. `defaults` raises BadRequest for values that are not of their type (quantities, base64), as
Kubernetes' decoder does. `may_change` looks at what the main resource may touch; it is not asked for `/status`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from schemas.errors import Cause
from schemas.kind import Kind

R = TypeVar("R", bound=Any)
Causes = tuple[Cause, ...]


def unchanged(obj: R) -> R:
    """No defaults."""
    return obj


def nothing_wrong(obj: Any) -> Causes:
    """No semantic rules beyond the struct."""
    return ()


def everything_may_change(old: Any, new: Any) -> Causes:
    """No immutable field."""
    return ()


class Rule(Struct, frozen=True, kw_only=True):
    """The rules of one kind. All functions are pure; objects are frozen, results are new values."""

    kind: Kind
    defaults: Callable[[Any], Any] = unchanged
    validate: Callable[[Any], Causes] = nothing_wrong
    may_change: Callable[[Any, Any], Causes] = everything_may_change
    status_on_create: bool = False
    """Whether a creator may say the status too (a node registers with its capacity)."""

    def prepare_create(self, obj: R) -> R:
        """Without status where status is a subresource; generation 1 where there is a spec."""
        changes: dict[str, Any] = {}
        if "status" in self.kind.subresources and not self.status_on_create:
            changes["status"] = None
        if self.has_generation:
            changes["metadata"] = msgspec.structs.replace(obj.metadata, generation=1)
        return msgspec.structs.replace(obj, **changes) if changes else obj

    def prepare_update(self, old: R, new: R, subresource: str = "") -> R:
        """The part of `new` that this door may write, the rest from `old`; generation + 1 when the spec changed."""
        generation = old.metadata.generation
        if subresource == "status":
            return msgspec.structs.replace(old, metadata=_generation(new, generation), status=new.status)
        if "status" in self.kind.subresources:
            new = msgspec.structs.replace(new, status=old.status)
        if self.has_generation and new.spec != old.spec:
            generation = (generation or 0) + 1
        return msgspec.structs.replace(new, metadata=_generation(new, generation))

    @property
    def has_generation(self) -> bool:
        """Whether the kind has a spec whose changes are counted."""
        return "spec" in self.kind.type.__struct_fields__


def _generation(obj: Any, generation: int | None) -> Any:
    return msgspec.structs.replace(obj.metadata, generation=generation)
