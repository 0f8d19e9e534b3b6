"""Paths that are no resources: version, health, discovery, OpenAPI, reviews, journeys, joining. One row each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from schemas import join as words

from . import discovery, health, openapi, reviews, steplog, version
from .join import asking
from .request import Request, Response
from .server import Server

Special = Callable[[Server, Request], Awaitable[Response]]

EXACT: dict[str, Special] = {
    "/version": version.run, **dict.fromkeys(reviews.REVIEWS, reviews.run), words.CA: asking.ca,
    words.JOIN: asking.join, words.RENEW: asking.renew, words.LEAVE: asking.leave,
}
TREES: dict[str, Special] = {"healthz": health.run, "livez": health.run, "readyz": health.run,
                            "openapi": openapi.run}
JOURNEY = "/kubus/v1/journey/"


def find(request: Request) -> Special | None:
    """What serves this path, or None when it is a resource's."""
    path = request.path.rstrip("/") or "/"
    found = EXACT.get(path)
    if found is not None:
        return found
    if path.startswith(JOURNEY):
        return steplog.run
    if path.startswith(words.NODES):
        return asking.revoke
    top, *rest = path.strip("/").split("/")
    if len(rest) <= {"api": 1, "apis": 2}.get(top, -1):
        return discovery.run
    return TREES.get(top)
