"""Do a plan in a toy world at once, and repeat until nothing changes."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Any

from master.controllers.actions import Action, Create, Delete, Event, Patch, Plan, SetStatus, Update
from master.controllers.controller import Controller
from schemas.errors import ApiError

from .toy import Toy, View


def now_of(answer: Awaitable[Any]) -> Any:
    """The result of an awaitable that never really waits."""
    try:
        answer.__await__().__next__()
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def do(toy: Toy, action: Action) -> None:
    match action:
        case Create(obj):
            toy.create(obj)
        case Update(obj, subresource):
            toy.update(obj, subresource)
        case SetStatus(obj):
            toy.update(obj, "status")
        case Patch(obj, patch, subresource, guarded):
            bound = {"uid": obj.metadata.uid} | ({"resourceVersion": obj.metadata.resource_version} if guarded else {})
            toy.patch(obj, {**patch, "metadata": {**patch.get("metadata", {}), **bound}}, subresource)
        case Delete(obj, propagation, grace, guarded):
            toy.delete(obj, uid=obj.metadata.uid, propagation=propagation, grace=grace,
                       resource_version=obj.metadata.resource_version if guarded else "")
        case Event():
            pass


def plan_of(row: Controller[Any], view: View, key: str, now: datetime | None = None) -> Plan:
    given = now_of(row.gather(view, key))
    return Plan() if given is None else row.plan(given, now or view.toy.now)


def settle(toy: Toy, row: Controller[Any], view: View, keys: Any, *, passes: int = 60) -> int:
    """Plan and do for all keys until every plan is empty; the number of passes it took."""
    for count in range(passes):
        quiet = True
        for key in keys() if callable(keys) else keys:
            plan = plan_of(row, view, key)
            for stage in plan.stages:
                quiet = False
                try:
                    for action in stage:
                        do(toy, action)
                except ApiError as error:
                    view.failures[key] = str(error)
                    break
        if quiet:
            return count
    raise AssertionError(f"not settled after {passes} passes: {plan}")
