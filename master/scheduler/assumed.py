"""Bindings in flight. A decided pod is in the table at once; here its binding is written, and undone if it is refused.

    assume ─► POST pods/binding ─► bound: wait for the informer to say so (EXPIRE seconds, then ask)
                     ├─ refused, or nobody answered ─► GET the pod: bound there? fine : undo(key)
                     └─ many at a time (FLIGHTS); order between pods does not matter

An answer that got lost may hide a binding that happened, so the pod is read before it is given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct

from runtime.api import Api
from runtime.backoff import exponential
from runtime.log import request_id
from schemas.core.binding import Binding
from schemas.core.pod import POD, Pod
from schemas.core.reference import ObjectReference
from schemas.errors import KubusError, NotFound
from schemas.meta.object import ObjectMeta

from .queue import Waiting

log = logging.getLogger(__name__)
FLIGHTS = 64
EXPIRE = 15.0
PAUSE = exponential(0.05, 2.0, 2.0)


class Assumption(Struct, eq=False):
    """A pod decided for a node and not yet seen there."""

    waiting: Waiting
    node: str
    confirmed: asyncio.Event


class Assumed:
    """All bindings in flight. `undo(waiting, taken, why)`: the pod is not on its node; `taken`: nor ever will be."""

    def __init__(self, api: Api, undo: Callable[[Waiting, bool, str], None],
                 bound: Callable[[Waiting, str], None]) -> None:
        self._api, self._undo, self._bound = api, undo, bound
        self._flights: dict[str, Assumption] = {}
        self._gate = asyncio.Semaphore(FLIGHTS)

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, key: str) -> Assumption | None:
        """The pod's binding in flight."""
        return self._flights.get(key)

    def take_off(self, group: asyncio.TaskGroup, waiting: Waiting, node: str) -> None:
        """Send the binding; the task belongs to `group`."""
        flight = self._flights[waiting.key] = Assumption(waiting, node, asyncio.Event())
        group.create_task(self._fly(flight), name=f"bind {waiting.key}")

    def confirm(self, key: str) -> None:
        """The informer has seen the pod on a node, or has seen it gone."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.confirmed.set()

    def forget_all(self) -> tuple[str, ...]:
        """We lead no longer; what is unconfirmed is up to the next leader. Their keys."""
        keys = tuple(self._flights)
        self._flights.clear()
        return keys

    async def _fly(self, flight: Assumption) -> None:
        waiting = flight.waiting
        request_id.set(waiting.request)
        why = ""
        async with self._gate:
            try:
                await self._api.create(POD, _binding(waiting.pod, flight.node), subresource="binding")
            except KubusError as error:
                why = str(error)
        if not why:
            self._bound(waiting, flight.node)
            try:
                async with asyncio.timeout(EXPIRE):
                    await flight.confirmed.wait()
                return
            except TimeoutError:
                log.warning("a bound pod was not seen yet", extra={"pod": waiting.key, "node": flight.node})
        await self._verify(flight, why)

    async def _verify(self, flight: Assumption, why: str) -> None:
        """Ask until somebody answers where the pod is, then believe it."""
        waiting, tries = flight.waiting, 0
        while not flight.confirmed.is_set():
            try:
                pod: Pod | None = await self._api.get(POD, waiting.pod.metadata.namespace, waiting.pod.metadata.name)
            except NotFound:
                pod = None
            except KubusError as error:
                tries += 1
                log.debug("cannot ask for an assumed pod", extra={"pod": waiting.key, "cause": str(error)})
                await asyncio.sleep(PAUSE(tries))
                continue
            break
        else:
            return
        same = pod is not None and pod.metadata.uid == waiting.pod.metadata.uid
        if same and pod is not None and pod.spec.node_name == flight.node:
            await flight.confirmed.wait()
            return
        if self._flights.get(waiting.key) is flight:
            del self._flights[waiting.key]
            taken = not same or (pod is not None and bool(pod.spec.node_name))
            self._undo(waiting, taken, why)


def _binding(pod: Pod, node: str) -> Binding:
    m = pod.metadata
    return Binding(api_version="v1", kind="Binding",
                   metadata=ObjectMeta(name=m.name, namespace=m.namespace, uid=m.uid),
                   target=ObjectReference(api_version="v1", kind="Node", name=node))
