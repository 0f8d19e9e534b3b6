"""Errors -> `Status`. Every refusal leaves the API as one of these; sentences and reasons are Kubernetes' own
(k8s.io/apimachinery/pkg/api/errors), because kubectl prints them and clients match on them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.errors import AlreadyExists, ApiError, Cause, Conflict, Invalid, MethodNotAllowed, NotFound
from schemas.kind import Kind

from .request import Response


def resource(kind: Kind) -> str:
    """`deployments.apps`, `pods`."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def qualified(kind: Kind) -> str:
    """`Deployment.apps`, `Pod`."""
    return f"{kind.kind}.{kind.group}" if kind.group else kind.kind


def about(kind: Kind, name: str, *, as_kind: bool = False) -> dict[str, Any]:
    """`details` of a Status: which object."""
    found = {"name": name, "group": kind.group, "kind": kind.kind if as_kind else kind.plural}
    return {key: value for key, value in found.items() if value}


def not_found(kind: Kind, name: str) -> NotFound:
    """404."""
    return NotFound(f'{resource(kind)} "{name}" not found', details=about(kind, name))


def already_exists(kind: Kind, name: str) -> AlreadyExists:
    """409 on create."""
    return AlreadyExists(f'{resource(kind)} "{name}" already exists', details=about(kind, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(kind: Kind, name: str, why: str = MODIFIED) -> Conflict:
    """409 on update or delete."""
    return Conflict(f'Operation cannot be fulfilled on {resource(kind)} "{name}": {why}', details=about(kind, name))


def invalid(kind: Kind, name: str, causes: tuple[Cause, ...] | list[Cause]) -> Invalid:
    """422 with every cause. `causes[].message` has no field prefix; the sentence has."""
    said = [f"{c.field}: {c.message}" for c in causes]
    all_said = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    return Invalid(f'{qualified(kind)} "{name}" is invalid: {all_said}', causes=tuple(causes),
                   details=about(kind, name, as_kind=True))


def no_such_path() -> NotFound:
    """404 for a path that names no resource type."""
    return NotFound("the server could not find the requested resource", details={})


def not_allowed() -> MethodNotAllowed:
    """405."""
    return MethodNotAllowed("the server does not allow this method on the requested resource")


def status_of(error: ApiError) -> dict[str, Any]:
    """The Status document of an error (meta/v1 Status)."""
    details: dict[str, Any] = dict(error.details)
    metadata = details.pop("metadata", {})
    if error.causes:
        details["causes"] = msgspec.to_builtins(error.causes)
    if error.retry_after is not None:
        details["retryAfterSeconds"] = error.retry_after
    found = {
        "kind": "Status", "apiVersion": "v1", "metadata": metadata, "status": "Failure",
        "message": error.message, "reason": error.reason, "details": details, "code": error.code,
    }
    if not details:
        del found["details"]
    return found


def response(error: ApiError) -> Response:
    """The answer to a refused request."""
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    if error.code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="kubus"'
    return Response(status=error.code, body=msgspec.json.encode(status_of(error)), headers=headers)


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """Status of a deletion that is complete."""
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {**about(kind, name), "uid": uid}}
