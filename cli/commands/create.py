"""`kubus create`: a deployment, a namespace, or what a file says."""

from __future__ import annotations

from typing import Any

import click

from cli.files import kind_of, read_objects
from cli.session import Session, options
from schemas.scheme import BY_KIND

DEPLOYMENT = BY_KIND["apps/v1", "Deployment"]
NAMESPACE = BY_KIND["v1", "Namespace"]


@click.group(invoke_without_command=True)
@click.option("-f", "--filename", "files", multiple=True, help="File, folder, or - for standard input.")
@options
@click.pass_context
def create(ctx: click.Context, files: tuple[str, ...], namespace: str, kubeconfig: str, context: str) -> None:
    """Create a deployment, a namespace, or what a file says."""
    if ctx.invoked_subcommand is not None:
        return
    if not files:
        raise click.UsageError("say what: `kubus create deployment NAME --image IMAGE`, or -f FILE")
    session = Session(kubeconfig, namespace, context)
    for obj in read_objects(files):
        kind = kind_of(obj)
        space = (obj.get("metadata") or {}).get("namespace") or session.namespace
        _created(session.create(kind.path(space), obj, {"fieldValidation": "Strict"}))


@create.command()
@click.argument("name")
@click.option("--image", "images", multiple=True, required=True, help="A container's image; several make several.")
@click.option("--replicas", type=int, default=1, show_default=True)
@click.option("--port", type=int, default=None, help="The port the container serves.")
@click.argument("command", nargs=-1)
@options
def deployment(name: str, images: tuple[str, ...], replicas: int, port: int | None, command: tuple[str, ...],
               namespace: str, kubeconfig: str, context: str) -> None:
    """Create a deployment: `kubus create deployment web --image nginx --replicas 3 [-- COMMAND…]`."""
    session = Session(kubeconfig, namespace, context)
    body = deployment_body(name, images, replicas, port, command)
    _created(session.create(DEPLOYMENT.path(session.namespace), body, {"fieldValidation": "Strict"}))


@create.command("namespace")
@click.argument("name")
@options
def namespace_(name: str, namespace: str, kubeconfig: str, context: str) -> None:
    """Create a namespace."""
    session = Session(kubeconfig, namespace, context)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    _created(session.create(NAMESPACE.path(), body))


def deployment_body(name: str, images: tuple[str, ...], replicas: int, port: int | None = None,
                    command: tuple[str, ...] = ()) -> dict[str, Any]:
    """The same Deployment that `kubectl create deployment` makes: label app=NAME, containers named by their image."""
    containers: list[dict[str, Any]] = []
    for image in images:
        base = image.rsplit("/", maxsplit=1)[-1].split("@")[0].split(":")[0]
        container: dict[str, Any] = {"name": base.replace("_", "-").replace(".", "-"), "image": image}
        if command:
            container["command"] = list(command)
        if port is not None and not containers:
            container["ports"] = [{"containerPort": port}]
        containers.append(container)
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


def _created(obj: dict[str, Any]) -> None:
    group = str(obj["apiVersion"]).partition("/")
    suffix = f".{group[0]}" if group[1] else ""
    click.echo(f"{obj['kind'].lower()}{suffix}/{obj['metadata']['name']} created")
