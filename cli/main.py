"""Entry of the `kubus` command: the list of verbs, each imported only when it is typed."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

# verb -> (module, attribute, one line of help). The help stands here so that `kubus --help` imports no verb at all.
VERBS: dict[str, tuple[str, str, str]] = {
    "up": ("cli.commands.up", "up", "Start a cluster on this machine (or show the one that runs)."),
    "down": ("cli.commands.down", "down", "Stop the cluster on this machine; --purge removes every trace."),
    "get": ("cli.commands.get", "get", "List objects, as kubectl shows them."),
    "describe": ("cli.commands.describe", "describe", "Show one object with its events."),
    "create": ("cli.commands.create", "create", "Create a deployment, a namespace, or what a file says."),
    "apply": ("cli.commands.apply", "apply", "Make the cluster agree with a file."),
    "delete": ("cli.commands.delete", "delete", "Delete objects and wait until they are gone."),
    "scale": ("cli.commands.scale", "scale", "Set the number of replicas."),
    "rollout": ("cli.commands.rollout", "rollout", "Status, history, undo and restart of a deployment's rollout."),
    "events": ("cli.commands.events", "events", "What happened lately, oldest first."),
    "journey": ("cli.commands.journey", "journey", "One object's way through the cluster, with real timings."),
    "kubeconfig": ("cli.commands.kubeconfig", "kubeconfig", "Print the operator's kubeconfig, or its path."),
    "agent": ("cli.commands.agent", "agent", "This machine as a node: join, run, status, leave."),
    "token": ("cli.commands.token", "token", "Join tokens: create, list, delete."),
    "master": ("cli.commands.master", "master", "Make this machine a master, and ask how it is."),
    "node": ("cli.commands.node", "node", "Worker machines: add, list, drain, upgrade, remove."),
    "backup": ("cli.commands.backup", "backup", "A master's data and keys into one file."),
    "restore": ("cli.commands.backup", "restore", "A master out of a backup, here or on a new machine."),
    "version": ("cli.commands.version", "version", "Versions of this command and of the server."),
}


class Verbs(click.Group):
    """A group that knows its verbs' names and imports one on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, attribute, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, words) for verb, (_, _, words) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def kubus() -> None:
    """Kubus: Kubernetes to people, NATS to machines."""


def main(arguments: list[str] | None = None) -> None:
    """Run a verb; an error of ours is one line on stderr and exit code 1, never a traceback."""
    try:
        code: Any = kubus.main(arguments, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        from schemas.errors import KubusError

        if not isinstance(error, KubusError) and not (isinstance(error, OSError) and error.filename):
            raise
        click.echo(f"Error: {_words(error)}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _words(error: Exception) -> str:
    from schemas.errors import ApiError

    if isinstance(error, OSError):  # of a file that the user may not touch, or that is not there
        asks_root = "; is this root?" if isinstance(error, PermissionError) and os.geteuid() else ""
        return f"{error.filename}: {error.strerror}{asks_root}"
    return f"from server ({error.reason}): {error.message}" if isinstance(error, ApiError) else str(error)


if __name__ == "__main__":
    main()
