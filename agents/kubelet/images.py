"""Local images: which are here, fetching those that are not, and the pause image.

Presence is remembered, because a start must not pay for asking; an engine that says "no such image" corrects the
memory (`forget`). What the engine refuses to show is not here either: a pull mends it, or says why not. Reads and
writes the engine's image store, and notes in `state` which images came with us.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from ..containers import pause
from ..containers.containers import Auth, BadName, Containers, Image, PullFailed, Refused
from . import pulled

log = logging.getLogger(__name__)

class Images:
    """See the module."""

    def __init__(self, engine: Containers, state: Path | None = None) -> None:
        self._engine, self._state = engine, state
        self._here: dict[str, Image] = {}
        self._bad: dict[str, str] = {}
        self._pulls: dict[str, asyncio.Task[None]] = {}

    async def local(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names that are here. Raises EngineDown."""
        found = set()
        for name in names:
            if name in self._here or await self._look(name):
                found.add(name)
        return frozenset(found)

    async def _look(self, name: str) -> bool:
        try:
            image = await self._engine.image(name)
        except BadName as error:
            self._bad[name] = str(error)
            return False
        except Refused as error:
            log.warning("the engine does not show an image", extra={"image": name, "error": str(error)})
            return False
        if image is not None:
            self._here[name] = image
        return image is not None

    def why_bad(self, name: str) -> str:
        """Why that is no image's name at all; "" as far as is known."""
        return self._bad.get(name, "")

    def get(self, name: str) -> Image | None:
        """What is remembered of a local image."""
        return self._here.get(name)

    def forget(self, name: str) -> None:
        """The engine no longer has it."""
        self._here.pop(name, None)

    async def pull(self, name: str, auths: tuple[Auth, ...]) -> None:
        """Fetch, once for all pods that want it now. Raises PullFailed, EngineDown."""
        task = self._pulls.get(name)
        if task is None:
            task = self._pulls[name] = asyncio.create_task(self._fetch(name, auths), name=f"pull {name}")
            task.add_done_callback(lambda _: self._pulls.pop(name, None))
        await asyncio.shield(task)

    async def _fetch(self, name: str, auths: tuple[Auth, ...]) -> None:
        refused: PullFailed | None = None
        if self._state is not None and not await self._look(name):
            await asyncio.to_thread(pulled.add, self._state, name)
        for auth in (*auths, None):
            try:
                await self._engine.pull(name, auth)
            except PullFailed as error:
                refused = refused or error
                continue
            self.forget(name)
            if not await self._look(name):
                raise PullFailed("the engine does not have the image after it pulled it")
            return
        if refused is not None:
            raise refused

    async def ensure_pause(self) -> None:
        """Make the pause image unless this very program is there. Raises EngineDown, UnknownMachine."""
        tar = pause.image_tar((await self._engine.engine()).architecture)
        digest = pause.digest(tar)
        image = await self._engine.image(pause.IMAGE)
        if image is None or image.labels.get(pause.DIGEST) != digest:
            await self._engine.load(pause.IMAGE, tar, {pause.DIGEST: digest}, pause.PATH)


def id_of(name: str, image: Image | None, raw: str) -> str:
    """`imageID` as Kubernetes shows it: a digest that can be pulled if there is one, else the local id."""
    if image is not None and image.id == raw and image.digests:
        return f"docker-pullable://{image.digests[0]}"
    return f"docker://{raw}" if raw else ""
