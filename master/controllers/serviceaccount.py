"""What every namespace has from birth: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`.

reads   Namespace (its own), ServiceAccount default, ConfigMap kube-root-ca.crt
writes  ServiceAccount: create        ConfigMap: create, update (when its `ca.crt` is not the cluster's)

Refuses to touch a namespace that is being deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schemas.core.configmap import CONFIGMAP, ConfigMap
from schemas.core.namespace import NAMESPACE, Namespace
from schemas.core.serviceaccount import SERVICEACCOUNT, ServiceAccount
from schemas.meta.object import ObjectMeta

from .actions import Action, Create, Plan, Update, staged
from .controller import Controller, Watch, World, own_key

ACCOUNT = "default"
ROOT = "kube-root-ca.crt"
FILE = "ca.crt"
_WHY = {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
                                     "internal endpoints such as the internal service IP or kubernetes.default.svc. "
                                     "No other usage is guaranteed across distributions of Kubernetes clusters."}


class Given(Struct, frozen=True):
    """The namespace, what it has, and the cluster's CA (PEM; "" when there is none, as in tests)."""

    namespace: Namespace
    account: ServiceAccount | None
    root: ConfigMap | None
    ca: str


def plan(given: Given, now: datetime) -> Plan:
    """Decide. Same inputs, same plan."""
    m = given.namespace.metadata
    if m.deletion_timestamp is not None:
        return Plan()
    actions: list[Action] = []
    if given.account is None:
        actions.append(Create(ServiceAccount(api_version="v1", kind="ServiceAccount",
                                             metadata=ObjectMeta(name=ACCOUNT, namespace=m.name))))
    if given.ca and given.root is None:
        meta = ObjectMeta(name=ROOT, namespace=m.name, annotations=_WHY)
        actions.append(Create(ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={FILE: given.ca})))
    elif given.ca and given.root is not None and given.root.data != {FILE: given.ca}:
        actions.append(Update(replace(given.root, data={FILE: given.ca})))
    return staged(actions)


def _of(name: str) -> Any:
    """Only changes of the object of that name concern us; the key is its namespace."""
    def keys(world: World, old: Any, new: Any) -> Iterable[str]:
        m = (new if new is not None else old).metadata
        return (m.namespace,) if m.name == name else ()

    return keys


def controller(ca: str) -> Controller[Any]:
    """The manager's row. `ca`: PEM text of the cluster's CA."""
    async def gather(world: World, key: str) -> Given | None:
        namespace: Namespace | None = world[NAMESPACE].get(key)
        if namespace is None:
            return None
        return Given(namespace, world[SERVICEACCOUNT].get(f"{key}/{ACCOUNT}"), world[CONFIGMAP].get(f"{key}/{ROOT}"),
                     ca)

    return Controller(
        name="serviceaccount", gather=gather, plan=plan, workers=4,
        watches=(Watch(NAMESPACE, own_key), Watch(SERVICEACCOUNT, _of(ACCOUNT)), Watch(CONFIGMAP, _of(ROOT))),
    )
