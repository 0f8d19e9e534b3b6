"""policy/v1 Eviction: body of `pods/eviction`, a polite delete. Not stored."""

from __future__ import annotations

from ..meta.object import Resource
from ..meta.options import DeleteOptions


class Eviction(Resource, frozen=True, kw_only=True):
    """Please remove this pod; `delete_options` as in a delete."""

    delete_options: DeleteOptions | None = None
