"""Who may what: one row per question, answered by the pure authorizer."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from master.api import authn, authz
from master.api.authz import Facts
from master.api.request import ANONYMOUS, User
from master.api.route import resolve
from schemas.errors import Forbidden, Unauthorized

pytestmark = pytest.mark.unit
N1 = authn.of_identity("node.n1")
ADMIN = User(name="kubernetes-admin", groups=("system:masters", "system:authenticated"))
GUEST = User(name="guest", groups=("system:authenticated",))
FAKE = User(name="system:node:n1", groups=("system:authenticated",))
MINE, OTHERS = Facts(node="n1"), Facts(node="n2")
CORE, LEASES = "/api/v1/namespaces/default", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Ask(NamedTuple):
    user: User
    method: str
    path: str
    allowed: bool
    facts: Facts = authz.NOTHING


QUESTIONS = [
    Ask(ADMIN, "DELETE", "/api/v1/nodes/n1", True),
    Ask(authn.of_identity("master.scheduler"), "POST", f"{CORE}/pods/web/binding", True),
    Ask(authn.of_identity("master.controllers"), "POST", "/apis/apps/v1/namespaces/default/replicasets", True),
    Ask(GUEST, "GET", f"{CORE}/pods", False),
    Ask(ANONYMOUS, "GET", f"{CORE}/pods/web", False),
    Ask(FAKE, "GET", "/api/v1/nodes/n1", False),
    Ask(N1, "POST", "/api/v1/nodes", True),
    Ask(N1, "GET", "/api/v1/nodes/n1", True),
    Ask(N1, "PATCH", "/api/v1/nodes/n1/status", True),
    Ask(N1, "DELETE", "/api/v1/nodes/n1", False),
    Ask(N1, "GET", "/api/v1/nodes/n2", False),
    Ask(N1, "PATCH", "/api/v1/nodes/n2/status", False),
    Ask(N1, "GET", "/api/v1/nodes", False),
    Ask(N1, "POST", LEASES, True),
    Ask(N1, "PUT", f"{LEASES}/n1", True),
    Ask(N1, "PUT", f"{LEASES}/n2", False),
    Ask(N1, "GET", LEASES, False),
    Ask(N1, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n1", False),
    Ask(N1, "PATCH", f"{CORE}/pods/web/status", True, MINE),
    Ask(N1, "PUT", f"{CORE}/pods/web/status", True, MINE),
    Ask(N1, "GET", f"{CORE}/pods/web", True, MINE),
    Ask(N1, "PATCH", f"{CORE}/pods/web/status", False, OTHERS),
    Ask(N1, "GET", f"{CORE}/pods/web", False, OTHERS),
    Ask(N1, "PATCH", f"{CORE}/pods/web/status", True, Facts(missing=True)),
    Ask(N1, "PATCH", f"{CORE}/pods/web", False, MINE),
    Ask(N1, "DELETE", f"{CORE}/pods/web", False, MINE),
    Ask(N1, "DELETE", f"{CORE}/pods/web", True, Facts(node="n1", terminating=True)),
    Ask(N1, "DELETE", f"{CORE}/pods/web", False, Facts(node="n2", terminating=True)),
    Ask(N1, "POST", f"{CORE}/pods", False),
    Ask(N1, "POST", f"{CORE}/pods/web/binding", False, MINE),
    Ask(N1, "POST", f"{CORE}/pods/web/eviction", False, MINE),
    Ask(N1, "GET", f"{CORE}/pods", False),
    Ask(N1, "GET", f"{CORE}/secrets/s", True, Facts(referenced=True)),
    Ask(N1, "GET", f"{CORE}/secrets/s", False),
    Ask(N1, "GET", f"{CORE}/secrets", False),
    Ask(N1, "PUT", f"{CORE}/secrets/s", False, Facts(referenced=True)),
    Ask(N1, "GET", f"{CORE}/configmaps/c", True, Facts(referenced=True)),
    Ask(N1, "GET", f"{CORE}/serviceaccounts/default", False),
    Ask(N1, "POST", f"{CORE}/events", True),
    Ask(N1, "PATCH", f"{CORE}/events/e", True),
    Ask(N1, "GET", f"{CORE}/events", False),
    Ask(N1, "DELETE", f"{CORE}/events/e", False),
    Ask(N1, "GET", "/apis/apps/v1/namespaces/default/deployments", False),
    Ask(N1, "GET", "/api/v1/namespaces/default", False),
]


@pytest.mark.parametrize("ask", QUESTIONS, ids=lambda a: f"{a.user.name}-{a.method}-{a.path}-{a.facts.node}")
def test_may(ask: Ask) -> None:
    route = resolve(ask.method, ask.path, watching=False)
    if ask.allowed:
        authz.may(ask.user, route, ask.facts)
        return
    with pytest.raises(Forbidden, match=f'is forbidden: User "{ask.user.name}" cannot'):
        authz.may(ask.user, route, ask.facts)


@pytest.mark.parametrize(("user", "path", "allowed"), [
    (ANONYMOUS, "/livez", True), (ANONYMOUS, "/readyz/etcd", True), (ANONYMOUS, "/version", True),
    (ANONYMOUS, "/api", False), (GUEST, "/api", True), (GUEST, "/openapi/v3", True),
    (GUEST, "/kubus/v1/journey", False),
    (ADMIN, "/kubus/v1/journey", True), (N1, "/apis", True),
])
def test_may_path(user: User, path: str, allowed: bool) -> None:
    if allowed:
        authz.may_path(user, "GET", path)
    else:
        with pytest.raises(Forbidden, match=f'forbidden: User "{user.name}" cannot get path "{path}"'):
            authz.may_path(user, "GET", path)


def test_identities_become_users() -> None:
    assert N1.name == "system:node:n1"
    assert authn.of_identity("node.a%2Eb").name == "system:node:a.b"
    for identity in ("node.", "master.unknown", "other.x"):
        with pytest.raises(Unauthorized):
            authn.of_identity(identity)


def test_certificates_become_users() -> None:
    peer = {"subject": ((("organizationName", "a"),), (("organizationName", "b"),), (("commonName", "jane"),))}
    user = authn.of_certificate(peer)
    assert user is not None
    assert (user.name, user.groups) == ("jane", ("a", "b", "system:authenticated"))
    assert authn.of_certificate({}) is None
    assert authn.of_certificate({"subject": ()}) is None
