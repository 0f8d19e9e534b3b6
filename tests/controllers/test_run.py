"""Whole controllers in one process, on jumping time: lag, lost answers, refusals, crashes, a mirror that is away.

What must hold at every moment: never more pods than wanted; what must hold in the end: exactly as many.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from master.controllers import deployment, garbage, replicaset
from master.controllers.podstate import is_active
from schemas.apps.deployment import DEPLOYMENT
from schemas.apps.replicaset import REPLICASET
from schemas.core.pod import POD
from schemas.core.podstatus import PodCondition, PodStatus
from schemas.errors import Forbidden, Invalid

from . import making
from .jumping import run
from .making import rs, template
from .stage import Stage
from .toy import Toy

pytestmark = pytest.mark.unit
ROWS = (replicaset.controller(),)


def alive(toy: Toy) -> list[Any]:
    return [p for p in toy.all(POD) if is_active(p)]


def most_ever(toy: Toy) -> int:
    """The most active pods that ever were at once."""
    there: dict[str, bool] = {}
    most = 0
    for change in toy.history:
        if change.kind is POD:
            there[change.key] = change.new is not None and is_active(change.new)
            most = max(most, sum(there.values()))
    return most


@pytest.mark.parametrize("seed", range(40))
def test_no_pod_is_ever_doubled_with_lag_lost_answers_and_crashes(seed: int) -> None:
    async def main() -> Toy:
        toy = Toy(rs(9))
        stage = Stage(toy, ROWS, seed=seed, lag=0.2, faults=0.3)
        for _ in range(5):
            await stage.start()
            await asyncio.sleep(stage.chance.uniform(0.001, 0.4))
            await stage.crash()
            await asyncio.sleep(0.05)
        await stage.start()
        await stage.until(lambda: len(alive(toy)) == 9 and toy.all(REPLICASET)[0].status is not None
                          and toy.all(REPLICASET)[0].status.replicas == 9)
        await stage.end()
        return toy

    toy = run(main())
    assert most_ever(toy) == 9
    assert len(toy.created) == 1 + 9


def test_a_mirror_that_is_away_for_long_does_not_make_pods_twice() -> None:
    async def main() -> Toy:
        toy = Toy(rs(3))
        stage = Stage(toy, ROWS, seed=1)
        await stage.start()
        await asyncio.sleep(0.004)
        stage.informers.down = True
        await asyncio.sleep(120)
        assert len(toy.all(POD)) <= 3
        stage.informers.down = False
        await stage.until(lambda: len(alive(toy)) == 3)
        await asyncio.sleep(1)
        await stage.end()
        return toy

    assert len(run(main()).all(POD)) == 3


def test_a_burst_of_48_goes_out_together() -> None:
    async def main() -> tuple[Stage, float]:
        toy = Toy(rs(48))
        stage = Stage(toy, ROWS, seed=2, lag=0.001)
        await stage.start()
        began = asyncio.get_running_loop().time()
        while len(toy.all(POD)) < 48:
            await asyncio.sleep(0.001)
        took = asyncio.get_running_loop().time() - began
        await asyncio.sleep(0.05)
        await stage.end()
        return stage, took

    stage, took = run(main())
    assert took < 0.02  # one request takes 1 to 8 ms; one after the other they would take 200 ms
    assert 20 < stage.line.most_flying <= 64
    assert sorted(reason for reason, _ in stage.voice.said) == ["SuccessfulCreate"] * 48


def test_a_refused_template_is_not_hammered_and_is_said() -> None:
    async def main() -> Stage:
        def refuse(obj: Any) -> None:
            raise Forbidden("exceeded quota: pods=0")

        toy = Toy(rs(100))
        stage = Stage(toy, ROWS, seed=3)
        stage.line.refuse = refuse
        await stage.start()
        await asyncio.sleep(60)
        assert stage.line.calls < 40
        said = toy.all(REPLICASET)[0].status.conditions
        assert [(c.reason, c.message) for c in said] == [("FailedCreate", "exceeded quota: pods=0")]
        assert ("FailedCreate", "Error creating: exceeded quota: pods=0") in stage.voice.said
        stage.line.refuse = lambda obj: None
        await stage.until(lambda: len(alive(toy)) == 100)
        await asyncio.sleep(1)
        assert toy.all(REPLICASET)[0].status.conditions == ()
        await stage.end()
        return stage

    run(main())


def test_an_invalid_template_is_tried_no_more_until_it_changes() -> None:
    async def main() -> None:
        def refuse(obj: Any) -> None:
            if obj.spec.containers[0].image == "one":
                raise Invalid("image is wrong")

        toy = Toy(rs(2))
        stage = Stage(toy, ROWS, seed=4)
        stage.line.refuse = refuse
        await stage.start()
        await asyncio.sleep(30)
        calls = stage.line.calls
        await asyncio.sleep(120)
        assert stage.line.calls == calls < 20
        old = toy.get(REPLICASET, "d", "web")
        toy.update(replace(old, spec=replace(old.spec, template=template("two"))))
        await stage.until(lambda: len(alive(toy)) == 2)
        await stage.end()

    run(main())


class Kubelet:
    """Places pods, makes them ready, ends those that are being deleted."""

    def __init__(self, toy: Toy) -> None:
        self.toy = toy

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            for p in self.toy.all(POD):
                if p.metadata.deletion_timestamp:
                    self.toy.delete(p, grace=0)
                elif not p.spec.node_name:
                    self.toy.update(replace(p, spec=replace(p.spec, node_name="n1")))
                elif not (p.status and p.status.conditions):
                    ready = PodCondition(type="Ready", status="True", last_transition_time=self.toy.now)
                    self.toy.update(replace(p, status=PodStatus(phase="Running", conditions=(ready,))), "status")


@pytest.mark.parametrize("seed", range(40))
def test_a_roll_through_crashes_lag_and_lost_answers_keeps_its_bounds(seed: int) -> None:
    async def main() -> Toy:
        toy = Toy(making.deployment(6, surge=2, unavailable=1))
        rows = (deployment.controller(), replicaset.controller(), garbage.controller((DEPLOYMENT, REPLICASET, POD)))
        stage = Stage(toy, rows, seed=seed, lag=0.1, faults=0.15)
        kubelet = asyncio.create_task(Kubelet(toy).run())
        for image in ("one", "two", "three"):
            d = toy.get(DEPLOYMENT, "d", "web")
            toy.update(replace(d, spec=replace(d.spec, template=template(image))))
            for _ in range(3):
                await stage.start()
                await asyncio.sleep(stage.chance.uniform(0.05, 1.0))
                await stage.crash()
                await asyncio.sleep(0.05)
        await stage.start()
        await stage.until(lambda: rolled(toy))
        toy.delete(toy.get(DEPLOYMENT, "d", "web"))
        await stage.until(lambda: not toy.objects)
        kubelet.cancel()
        await stage.end()
        return toy

    toy = run(main())
    assert most_ever(toy) <= 8


def rolled(toy: Toy) -> bool:
    d = toy.get(DEPLOYMENT, "d", "web")
    said = {c.type: c.reason for c in d.status.conditions} if d.status else {}
    images = {p.spec.containers[0].image for p in toy.all(POD)}
    return images == {"three"} and len(toy.all(POD)) == 6 and said.get("Progressing") == "NewReplicaSetAvailable"
