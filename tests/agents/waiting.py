"""Wait for a state of the world, with a deadline and a name."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(what: str, holds: Callable[[], Any | Awaitable[Any]], within: float = 30.0) -> Any:
    """The first truthy answer of `holds`; AssertionError with `what` after `within` seconds."""
    deadline = time.monotonic() + within
    pause = 0.01
    while True:
        answer = holds()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.2)
