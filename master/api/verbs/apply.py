"""Server-side apply (stub until schemas.meta.managed is there)."""

from __future__ import annotations

from schemas.errors import UnsupportedMediaType

from ..request import Response
from ..server import Call, Server


async def run(server: Server, call: Call) -> Response:
    """415, at which kubectl says that server-side apply is not available."""
    raise UnsupportedMediaType("server-side apply is not available")
