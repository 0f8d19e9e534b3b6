"""Reviews of oneself: who am I, may I, what may I. Created, answered, never stored.

authentication.k8s.io/v1 SelfSubjectReview (`kubectl auth whoami`), authorization.k8s.io/v1 SelfSubjectAccessReview
(`auth can-i`) and SelfSubjectRulesReview (`auth can-i --list`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from schemas.errors import BadRequest, Forbidden
from schemas.scheme import BY_PLURAL

from . import authz
from .authn import AUTHENTICATED, MASTERS
from .fail import not_allowed
from .negotiate import PLAIN, document, render
from .request import Request, Response, User
from .route import Route
from .server import Server

AUTHENTICATION = "authentication.k8s.io/v1"
AUTHORIZATION = "authorization.k8s.io/v1"
Answer = Callable[[User, dict[str, Any]], dict[str, Any]]


def _who(user: User, _spec: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        found["uid"] = user.uid
    return {"userInfo": found}


def _may(user: User, spec: dict[str, Any]) -> dict[str, Any]:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if isinstance(path, dict) and not resource:
        return _verdict(lambda: authz.may_path(user, str(path.get("verb", "get")), str(path.get("path", ""))))
    if not isinstance(resource, dict):
        raise BadRequest("spec: Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be "
                         "specified")
    if MASTERS in user.groups:
        return {"allowed": True}
    said = {key: str(resource.get(key) or "") for key in
            ("verb", "group", "version", "resource", "subresource", "namespace", "name")}
    kind = BY_PLURAL.get((said["group"], "v1", said["resource"]))
    if kind is None:
        return {"allowed": False, "reason": f'no resource "{said["resource"]}" in API group "{said["group"]}"'}
    route = Route(verb=said["verb"], kind=kind, namespace=said["namespace"], name=said["name"],
                  subresource=said["subresource"])
    return _verdict(lambda: authz.may(user, route))


def _verdict(ask: Callable[[], None]) -> dict[str, Any]:
    try:
        ask()
    except Forbidden as error:
        return {"allowed": False, "reason": error.message}
    return {"allowed": True}


def _rules(user: User, _spec: dict[str, Any]) -> dict[str, Any]:
    paths = [*authz.PUBLIC, *(f"{p}/*" for p in authz.DISCOVERY), *authz.DISCOVERY]
    resources: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = [{"verbs": ["get"], "nonResourceURLs": paths}]
    if MASTERS in user.groups:
        resources = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        others = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
    return {"resourceRules": resources, "nonResourceRules": others, "incomplete": bool(authz.node_of(user))}


REVIEWS: dict[str, tuple[str, str, Answer]] = {
    f"/apis/{AUTHENTICATION}/selfsubjectreviews": (AUTHENTICATION, "SelfSubjectReview", _who),
    f"/apis/{AUTHORIZATION}/selfsubjectaccessreviews": (AUTHORIZATION, "SelfSubjectAccessReview", _may),
    f"/apis/{AUTHORIZATION}/selfsubjectrulesreviews": (AUTHORIZATION, "SelfSubjectRulesReview", _rules),
}


async def run(server: Server, request: Request) -> Response:
    """201 and the review with its status. Raises Forbidden (anonymous), MethodNotAllowed, BadRequest."""
    if request.method != "POST":
        raise not_allowed()
    version, kind, answer = REVIEWS[request.path]
    if AUTHENTICATED not in request.user.groups:
        raise Forbidden(f'{kind.lower()}s.{version.partition("/")[0]} is forbidden: User "{request.user.name}" cannot '
                        f"create it at the cluster scope")
    sent = document(request.body, request.header("content-type")) if request.body.strip() else {}
    if not isinstance(sent, dict) or sent.get("kind", kind) not in {"", kind}:
        raise BadRequest(f"the body cannot be handled as a {kind}")
    spec = sent.get("spec") or {}
    made = reviewed(version, kind, spec, answer(request.user, spec if isinstance(spec, dict) else {}), server.now())
    return Response(status=201, body=render(made, PLAIN))


def reviewed(version: str, kind: str, spec: Any, status: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The answer document."""
    at = now.replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = {"kind": kind, "apiVersion": version, "metadata": {"creationTimestamp": at}, "status": status}
    return made | ({"spec": spec} if spec else {})
