"""What the rules of a kind are: one frozen row of pure functions. The registry is in `__init__.py`.

    create:  obj = prepare_create(obj);                   causes = check_create(obj)
    update:  new = prepare_update(old, sent, subresource); causes = check_update(old, new), for /status validate(new)

Both prepare with `defaults` first: else a client that leaves defaults out would seem to change the spec, and the
generation would move. `defaults` is idempotent and raises BadRequest for values that are not of their type
(quantities, base64), as Kubernetes' decoder does. `may_change` looks at what the main resource may touch; it is not
asked for `/status`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

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


def as_sent(old: R, new: R) -> R:
    """Nothing to carry over from the stored object."""
    return new


class Rule(Struct, frozen=True, kw_only=True):
    """The rules of one kind. All functions are pure; objects are frozen, results are new values."""

    kind: Kind
    defaults: Callable[[Any], Any] = unchanged
    validate: Callable[[Any], Causes] = nothing_wrong
    may_change: Callable[[Any, Any], Causes] = everything_may_change
    forbidden_on_create: Callable[[Any], Causes] = nothing_wrong
    """Causes that hold for new objects only."""
    born: Callable[[Any], Any] = unchanged
    """What the server decides about a new object after defaults (first status, system finalizers)."""
    carry: Callable[[Any, Any], Any] = as_sent
    """(old, sent) -> sent, with what an update through the main resource must keep."""
    status_on_create: bool = False
    """Whether a creator may say the status too (a node registers with its capacity)."""

    def prepare_create(self, obj: R) -> R:
        """Defaults, no status of the creator's where status is a subresource, generation 1 where spec counts."""
        changes: dict[str, Any] = {}
        if "status" in self.kind.subresources and not self.status_on_create:
            changes["status"] = None
        if self.has_generation:
            changes["metadata"] = _generation(obj, 1)
        return cast(R, self.born(self.defaults(msgspec.structs.replace(obj, **changes))))

    def check_create(self, obj: Any) -> Causes:
        """Everything wrong with a prepared new object."""
        return self.validate(obj) + self.forbidden_on_create(obj)

    def prepare_update(self, old: R, sent: R, subresource: str = "") -> R:
        """Defaults, then the part that this door may write, the rest from `old`; generation + 1 when spec changed."""
        new = self.defaults(sent)
        generation = old.metadata.generation
        if subresource == "status":
            return msgspec.structs.replace(old, metadata=_generation(new, generation), status=new.status)
        if "status" in self.kind.subresources:
            new = msgspec.structs.replace(new, status=old.status)
        new = self.carry(old, new)
        if self.has_generation and new.spec != old.spec:
            generation = (generation or 0) + 1
        return cast(R, msgspec.structs.replace(new, metadata=_generation(new, generation)))

    def check_update(self, old: Any, new: Any) -> Causes:
        """Everything wrong with a prepared update of the main resource."""
        return self.validate(new) + self.may_change(old, new)

    @property
    def has_generation(self) -> bool:
        """Whether changes of the spec are counted: where status is a subresource that can lag behind it."""
        return "status" in self.kind.subresources and "spec" in self.kind.type.__struct_fields__


def _generation(obj: Any, generation: int | None) -> Any:
    return msgspec.structs.replace(obj.metadata, generation=generation)
