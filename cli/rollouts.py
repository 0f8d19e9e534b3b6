"""What a rollout is doing, and which ReplicaSet was which revision. Pure; values in, words out.

Sentences and rules as `kubectl rollout` has them
(https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.errors import KubusError

REVISION = "deployment.kubernetes.io/revision"
CAUSE = "kubernetes.io/change-cause"
RESTARTED = "kubectl.kubernetes.io/restartedAt"
HASH = "pod-template-hash"
SKIPPED = ("kubectl.kubernetes.io/last-applied-configuration", REVISION, "deployment.kubernetes.io/revision-history",
           "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas")

Object = Mapping[str, Any]


class RolloutFailed(KubusError):
    """The rollout exceeded its progress deadline."""


class NoRevision(KubusError):
    """There is no such revision to go back to."""


def progress(deployment: Object) -> tuple[str, bool]:
    """(a sentence, is it finished). Raises RolloutFailed."""
    meta, spec, status = deployment["metadata"], deployment["spec"], deployment.get("status", {})
    if meta.get("generation", 0) > status.get("observedGeneration", 0):
        return "Waiting for deployment spec update to be observed...", False
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    if conditions.get("Progressing", {}).get("reason") == "ProgressDeadlineExceeded":
        raise RolloutFailed(f'deployment "{meta["name"]}" exceeded its progress deadline')
    name, wanted = f'deployment "{meta["name"]}"', spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    waiting = f"Waiting for {name} rollout to finish:"
    if updated < wanted:
        return f"{waiting} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{waiting} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting} {available} of {updated} updated replicas are available...", False
    return f"{name} successfully rolled out", True


def owned(deployment: Object, replicasets: Iterable[Object]) -> dict[int, Object]:
    """revision -> its ReplicaSet."""
    uid = deployment["metadata"]["uid"]
    found = {}
    for replicaset in replicasets:
        meta = replicaset["metadata"]
        revision = (meta.get("annotations") or {}).get(REVISION)
        if revision and any(o.get("uid") == uid and o.get("controller") for o in meta.get("ownerReferences") or ()):
            found[int(revision)] = replicaset
    return found


def history(revisions: Mapping[int, Object]) -> list[list[str]]:
    """Rows of (revision, change cause), oldest first."""
    return [
        [str(revision), ((each["metadata"].get("annotations") or {}).get(CAUSE)) or "<none>"]
        for revision, each in sorted(revisions.items())
    ]


def undo_patch(deployment: Object, revisions: Mapping[int, Object], to: int) -> list[dict[str, Any]]:
    """The JSON patch that makes the deployment's template that of revision `to` (0 = the one before the newest).

    Raises NoRevision.
    """
    known = sorted(revisions)
    if to == 0 and len(known) < 2:
        raise NoRevision(f'deployment "{deployment["metadata"]["name"]}" has no earlier revision to go back to')
    target = to or known[-2]
    if target not in revisions:
        raise NoRevision(f"there is no revision {target}; there are: {', '.join(map(str, known))}")
    template = dict(revisions[target]["spec"]["template"])
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    template["metadata"] = metadata
    old = deployment["metadata"].get("annotations") or {}
    then = revisions[target]["metadata"].get("annotations") or {}
    kept = {k: v for k, v in old.items() if k in SKIPPED}
    annotations = {**kept, **{k: v for k, v in then.items() if k not in SKIPPED}}
    return [
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace" if old else "add", "path": "/metadata/annotations", "value": annotations},
    ]
