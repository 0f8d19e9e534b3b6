"""An agent that is told to stop says that it means to be back; one whose machine goes down says nothing of the kind."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from agents.containers.fake import Fake
from agents.kubelet import machine
from agents.kubelet.node import PAUSE_SECONDS, Registrar, Who
from tests.agents.waiting import eventually

from .test_edges import Beats, NodeApi


@pytest.mark.parametrize(("going_down", "pause"), [(False, PAUSE_SECONDS), (True, None)])
async def test_the_last_beat(monkeypatch: pytest.MonkeyPatch, going_down: bool, pause: float | None) -> None:
    monkeypatch.setattr(machine, "is_going_down", lambda: going_down)
    beats = Beats()
    task = asyncio.create_task(Registrar(Who("n1"), NodeApi(), beats, Fake(time.time), time.time).beat())
    await eventually("beats", lambda: beats.sent)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert msgspec.json.decode(beats.sent[-1]).get("pause") == pause
    assert all("pause" not in msgspec.json.decode(sent) for sent in beats.sent[:-1])


def test_a_machine_that_runs_is_not_going_down() -> None:
    assert machine.is_going_down() is False
