"""What waiting pods are told: the PodScheduled=False condition in their status. Only the newest word counts.

Writes pods/status through the API, a few at a time, after the decisions and never in their way. A word that the pod
already carries is not written again. Each write is bound to the resourceVersion we know: a word that is late, after the
pod was bound, is refused by the API and not said.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from runtime.api import Api
from runtime.backoff import exponential
from runtime.clock import SYSTEM, Clock
from runtime.log import request_id
from schemas.core.pod import POD, Pod
from schemas.errors import KubusError
from schemas.meta import conditions
from schemas.meta import time as moments

from .queue import UNSCHEDULABLE as REFUSED
from .queue import Waiting

log = logging.getLogger(__name__)
WRITERS = 4
TRIES = 5
PAUSE = exponential(0.1, 2.0, 2.0)
SCHEDULED, UNSCHEDULABLE = "PodScheduled", "Unschedulable"


class Reports:
    """Words about waiting pods. `run` must be running; `say` never blocks."""

    def __init__(self, api: Api, clock: Clock = SYSTEM) -> None:
        self._api, self._clock = api, clock
        self._words: dict[str, tuple[Waiting, str, str]] = {}
        self._news = asyncio.Event()

    def say(self, waiting: Waiting, message: str, nominated: str = "") -> None:
        """The pod cannot be scheduled, and why; `nominated`: the node where room is being made for it."""
        status = waiting.pod.status
        known = conditions.get(status.conditions, SCHEDULED) if status else None
        told = known is not None and known.status == "False" and known.message == message
        if told and (status.nominated_node_name if status else "") == nominated:
            self._words.pop(waiting.key, None)
            return
        self._words[waiting.key] = (waiting, message, nominated)
        self._news.set()

    def forget(self, key: str) -> None:
        """Nothing more is to be said about the pod."""
        self._words.pop(key, None)

    async def run(self) -> None:
        """Write for ever; a `serve` task."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._words:
                batch = [self._words.pop(key) for key in list(self._words)[:WRITERS]]
                async with asyncio.TaskGroup() as group:
                    for waiting, message, nominated in batch:
                        group.create_task(self._write(waiting, message, nominated), name=f"report {waiting.key}")

    async def _write(self, waiting: Waiting, message: str, nominated: str) -> None:
        request_id.set(waiting.request)
        status: dict[str, Any] = {"conditions": [self._condition(waiting.pod, message)]}
        if nominated or (waiting.pod.status and waiting.pod.status.nominated_node_name):
            status["nominatedNodeName"] = nominated or None
        for tries in range(1, TRIES + 1):
            if waiting.room != REFUSED:
                return
            m = waiting.pod.metadata
            patch = {"metadata": {"uid": m.uid, "resourceVersion": m.resource_version}, "status": status}
            try:
                await self._api.patch(POD, m.namespace, m.name, patch, subresource="status", type="strategic")
                return
            except KubusError as error:
                if not error.retry:
                    log.info("a pod's condition was not written", extra={"pod": waiting.key, "cause": str(error)})
                    return
                await asyncio.sleep(PAUSE(tries))

    def _condition(self, pod: Pod, message: str) -> dict[str, Any]:
        known = conditions.get(pod.status.conditions, SCHEDULED) if pod.status else None
        since = known.last_transition_time if known is not None and known.status == "False" else None
        return {"type": SCHEDULED, "status": "False", "reason": UNSCHEDULABLE, "message": message,
                "lastTransitionTime": moments.text(since or self._clock.wall())}
