"""meta/v1 Status, the answer that is not an object: every failure, and deletes that are done. Also list metadata."""

from __future__ import annotations

from msgspec import field

from ..errors import Cause
from .object import Wire


class ShardInfo(Wire, frozen=True, kw_only=True):
    """Which part of the objects a sharded list holds."""

    selector: str = ""


class ListMeta(Wire, frozen=True, kw_only=True):
    """Version and position of a list (meta/v1 ListMeta)."""

    self_link: str = ""
    resource_version: str = ""
    continue_: str = field(default="", name="continue")
    remaining_item_count: int | None = None
    shard_info: ShardInfo | None = None


class StatusDetails(Wire, frozen=True, kw_only=True):
    """Which object, and what is wrong with it."""

    name: str = ""
    group: str = ""
    kind: str = ""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int | None = None


class Status(Wire, frozen=True, kw_only=True):
    """`status` is Success or Failure; `reason` and `code` say which error of schemas/errors.py."""

    kind: str = ""
    api_version: str = ""
    metadata: ListMeta | None = None
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails | None = None
    code: int | None = None
