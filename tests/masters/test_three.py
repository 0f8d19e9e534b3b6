"""Three masters: kill -9 every process of any one in the middle of a rollout. Writes and pods go on, no promise is
broken, nothing is doubled, and the member comes back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.containers.fake import Fake
from runtime.rest import Rest

from .hollow import apps, hollow
from .machines import Machine, masters
from .mirror import until_whole
from .world import DEPLOYMENTS, PODS, deployment, names, rolled_out, set_image, until
from .writing import CONFIGMAPS, Writer

pytestmark = [pytest.mark.etcd, pytest.mark.nats]

REPLICAS = 6
MOST_PAUSE = 12.0
"""Seconds without an acknowledged write. etcd elects within about two; a lost answer costs its deadline of five."""
ROLLOUT_SECONDS = 45.0


async def _lose(machine: Machine, rest: Rest, engine: Fake, writer: Writer, image: str) -> dict[str, float]:
    """One member's death in the middle of a rollout; seconds of each pause."""
    await asyncio.to_thread(set_image, rest, image)
    began = time.monotonic()
    await asyncio.to_thread(machine.kill)
    rollout = await until(
        lambda: rolled_out(rest, image, REPLICAS), f"the rollout without {machine.name}", ROLLOUT_SECONDS)
    await until(lambda: sorted(apps(engine).values()) == [image] * REPLICAS, "the containers", 10)
    pause = writer.longest_pause(began, time.monotonic())
    machine.start()
    back = await asyncio.to_thread(_timed, machine.wait)
    return {"rollout": rollout, "pause": pause, "back": back}


def _timed(do: Callable[[], None]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


async def test_any_one_of_three_may_die(tmp_path: Path) -> None:
    machines = masters(tmp_path, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    writer = Writer(machines[0].places.kubeconfig)
    rest = machines[0].rest()
    try:
        for machine in machines:
            machine.start()
        for machine in machines:
            await asyncio.to_thread(machine.wait)
        async with hollow(machines[0].agent_config("n1", tmp_path / "agent")) as (_, engine):
            await asyncio.to_thread(rest.json, "POST", DEPLOYMENTS, body=deployment("app:1", REPLICAS))
            await until(lambda: rolled_out(rest, "app:1", REPLICAS), "the first rollout", 30)
            writer.start()
            for number, machine in enumerate(machines, 2):
                took = await _lose(machine, rest, engine, writer, f"app:{number}")
                print(machine.name, {what: round(seconds, 1) for what, seconds in took.items()})
                assert took["pause"] < MOST_PAUSE
            writer.stop()
            await asyncio.to_thread(until_whole, machines)
            await _check(machines, writer, engine)
    finally:
        writer.stop() if writer.times else None
        for machine in machines:
            machine.kill()


async def _check(machines: list[Machine], writer: Writer, engine: Fake) -> None:
    """Every member says the same, from its store and from its cache."""
    for machine in machines:
        rest = Rest.from_kubeconfig(machine.places.kubeconfig, context=f"kubus-{machine.name}")
        stored = await asyncio.to_thread(names, rest, CONFIGMAPS)
        assert set(writer.promised) <= set(stored)
        assert len(stored) == len(set(stored))
        assert {name for name in stored if name.startswith("w-")} <= {*writer.promised, *writer.unsure}
        pods = await asyncio.to_thread(names, rest, PODS)
        assert len(pods) == REPLICAS
        await until(lambda rest=rest, stored=stored: names(rest, CONFIGMAPS, resourceVersion="0") == stored,  # type: ignore[misc]
                     f"{machine.name}'s cache", 15)
    assert len(apps(engine)) == REPLICAS
