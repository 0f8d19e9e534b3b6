"""`kubus rollout`: status, history, undo, restart, pause and resume of a deployment."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from cli import output as out
from cli import rollouts
from cli.resources import one
from cli.session import Session, options
from schemas.kind import Kind
from schemas.scheme import BY_KIND

DEPLOYMENT = BY_KIND["apps/v1", "Deployment"]
REPLICASET = BY_KIND["apps/v1", "ReplicaSet"]


@click.group()
def rollout() -> None:
    """Status, history, undo and restart of a deployment's rollout."""


def _target(what: tuple[str, ...]) -> str:
    kind, name = one(what)
    if kind is not DEPLOYMENT:
        raise click.UsageError(f"only deployments roll out; {kind.kind.lower()}/{name} is a {kind.kind}")
    return name


@rollout.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds to wait.")
@options
def status(what: tuple[str, ...], timeout: float, namespace: str, kubeconfig: str, context: str) -> None:
    """Watch a rollout until it is finished."""
    session, name, said = Session(kubeconfig, namespace, context), _target(what), ""
    deadline = time.monotonic() + timeout

    def finished(deployment: dict[str, Any] | None) -> bool:
        nonlocal said
        if deployment is None:
            raise rollouts.RolloutFailed(f'deployment "{name}" is gone')
        words, done = rollouts.progress(deployment)
        if words != said:
            click.echo(words)
        said = words
        return done

    while not session.until(DEPLOYMENT.path(session.namespace), name, finished, deadline - time.monotonic()):
        if time.monotonic() >= deadline:
            raise rollouts.RolloutFailed(f"not finished after {timeout:.0f} s: {said}")


@rollout.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--revision", type=int, default=0, help="Show the pod template of this revision.")
@options
def history(what: tuple[str, ...], revision: int, namespace: str, kubeconfig: str, context: str) -> None:
    """The revisions there are, oldest first."""
    session, name = Session(kubeconfig, namespace, context), _target(what)
    _, revisions = _revisions(session, name)
    if revision:
        if revision not in revisions:
            raise rollouts.NoRevision(f"there is no revision {revision} of deployment/{name}")
        out.emit([out.dump(revisions[revision]["spec"]["template"], "yaml")])
        return
    out.emit([f"deployment.apps/{name}", *out.aligned([["REVISION", "CHANGE-CAUSE"], *rollouts.history(revisions)])])


@rollout.command()
@click.argument("what", nargs=-1, required=True)
@click.option("--to-revision", type=int, default=0, help="The revision to go back to; default: the one before.")
@options
def undo(what: tuple[str, ...], to_revision: int, namespace: str, kubeconfig: str, context: str) -> None:
    """Go back to an earlier revision."""
    session, name = Session(kubeconfig, namespace, context), _target(what)
    deployment, revisions = _revisions(session, name)
    session.patch(_path(session, DEPLOYMENT, name), rollouts.undo_patch(deployment, revisions, to_revision), "json")
    click.echo(f"deployment.apps/{name} rolled back")


@rollout.command()
@click.argument("what", nargs=-1, required=True)
@options
def restart(what: tuple[str, ...], namespace: str, kubeconfig: str, context: str) -> None:
    """Replace every pod, by the rollout's rules."""
    stamp = {rollouts.RESTARTED: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    body = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
    _patch(what, body, "restarted", Session(kubeconfig, namespace, context))


@rollout.command()
@click.argument("what", nargs=-1, required=True)
@options
def pause(what: tuple[str, ...], namespace: str, kubeconfig: str, context: str) -> None:
    """Let changes gather without rolling out."""
    _patch(what, {"spec": {"paused": True}}, "paused", Session(kubeconfig, namespace, context))


@rollout.command()
@click.argument("what", nargs=-1, required=True)
@options
def resume(what: tuple[str, ...], namespace: str, kubeconfig: str, context: str) -> None:
    """Roll out what gathered."""
    _patch(what, {"spec": {"paused": None}}, "resumed", Session(kubeconfig, namespace, context))


def _patch(what: tuple[str, ...], body: dict[str, Any], word: str, session: Session) -> None:
    name = _target(what)
    session.patch(_path(session, DEPLOYMENT, name), body)
    click.echo(f"deployment.apps/{name} {word}")


def _path(session: Session, kind: Kind, name: str) -> str:
    return kind.path(session.namespace, name)


def _revisions(session: Session, name: str) -> tuple[dict[str, Any], dict[int, Any]]:
    deployment: dict[str, Any] = session.get(_path(session, DEPLOYMENT, name))
    listed = session.get(REPLICASET.path(session.namespace))
    return deployment, rollouts.owned(deployment, listed["items"])
