"""What a person calls things: `po`, `deploy/web`, `pods`, `ReplicaSet`. Walks the scheme's rows."""

from __future__ import annotations

from collections.abc import Sequence

import click

from schemas.kind import Kind
from schemas.scheme import KINDS


def find(word: str) -> Kind:
    """The kind called so: plural, singular, kind, short name, or with its group (`deployments.apps`)."""
    wanted, _, group = word.lower().partition(".")
    for kind in KINDS:
        if wanted in {kind.plural, kind.kind.lower(), kind.singular, *kind.short} and group in {"", kind.group}:
            return kind
    raise click.UsageError(f'the cluster has no resource type "{word}"; it has: {", ".join(k.plural for k in KINDS)}')


def targets(words: Sequence[str]) -> list[tuple[Kind, str]]:
    """`pods`, `pods,deploy`, `pod web-1 web-2` or `pod/web-1 deploy/web` -> (kind, name or "")."""
    if not words:
        raise click.UsageError("say what: a type such as `pods`, or `deployment/web`")
    if any("/" in word for word in words):
        pairs = [word.partition("/") for word in words]
        if any(not name for _, _, name in pairs):
            raise click.UsageError("either all words are TYPE/NAME, or the first is a type and the others are names")
        return [(find(kind), name) for kind, _, name in pairs]
    kinds = everything() if words[0] == "all" else [find(word) for word in words[0].split(",")]
    names = words[1:] or [""]
    return [(kind, name) for kind in kinds for name in names]


def everything() -> list[Kind]:
    """The kinds of the category `all`."""
    return [kind for kind in KINDS if "all" in kind.categories]


def one(words: Sequence[str]) -> tuple[Kind, str]:
    """Exactly one object."""
    found = targets(words)
    if len(found) != 1 or not found[0][1]:
        raise click.UsageError("name one object, such as `deployment/web`")
    return found[0]
