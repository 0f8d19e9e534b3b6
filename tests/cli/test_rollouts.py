"""What a rollout says while it runs, and what an undo changes."""

from __future__ import annotations

from typing import Any

import pytest

from cli import rollouts

pytestmark = pytest.mark.unit


def deployment(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web", "uid": "u", "generation": 2, "annotations": {rollouts.REVISION: "2"}},
            "spec": {"replicas": 3}, "status": {"observedGeneration": 2, **status}}


def replicaset(revision: int, image: str, uid: str = "u") -> dict[str, Any]:
    owner = {"uid": uid, "controller": True}
    template = {"metadata": {"labels": {"app": "web", "pod-template-hash": f"h{revision}"}},
                "spec": {"containers": [{"image": image}]}}
    return {"metadata": {"annotations": {rollouts.REVISION: str(revision)}, "ownerReferences": [owner]},
            "spec": {"template": template}}


@pytest.mark.parametrize(
    ("status", "words", "done"),
    [
        ({"observedGeneration": 1}, "spec update to be observed", False),
        ({"updatedReplicas": 1, "replicas": 3}, "1 out of 3 new replicas have been updated", False),
        ({"updatedReplicas": 3, "replicas": 4}, "1 old replicas are pending termination", False),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2}, "2 of 3 updated replicas are available", False),
        ({"updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}, "successfully rolled out", True),
    ],
)
def test_progress(status: dict[str, Any], words: str, done: bool) -> None:
    said, finished = rollouts.progress(deployment(**status))
    assert words in said
    assert finished is done


def test_a_missed_deadline_is_a_failure() -> None:
    late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    with pytest.raises(rollouts.RolloutFailed, match="exceeded its progress deadline"):
        rollouts.progress(deployment(conditions=late))


def test_undo_goes_to_the_revision_before_and_drops_the_hash() -> None:
    sets = [replicaset(1, "nginx:1"), replicaset(2, "nginx:2"), replicaset(7, "other", uid="someone-else")]
    revisions = rollouts.owned(deployment(), sets)
    assert sorted(revisions) == [1, 2]
    template, annotations = rollouts.undo_patch(deployment(), revisions, 0)
    assert template["path"] == "/spec/template"
    assert template["value"]["spec"]["containers"] == [{"image": "nginx:1"}]
    assert template["value"]["metadata"]["labels"] == {"app": "web"}
    assert annotations["value"] == {rollouts.REVISION: "2"}


@pytest.mark.parametrize(("known", "to"), [((1,), 0), ((1, 2), 5)])
def test_undo_to_nowhere_says_so(known: tuple[int, ...], to: int) -> None:
    revisions = {n: replicaset(n, "i") for n in known}
    with pytest.raises(rollouts.NoRevision):
        rollouts.undo_patch(deployment(), revisions, to)
