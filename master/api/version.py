"""`GET /version`: which Kubernetes API this speaks, and which Kubus."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

from .negotiate import PLAIN, render
from .request import Request, Response
from .server import Server

MAJOR, MINOR, PATCH = "1", "33", "0"
"""The Kubernetes release whose API we follow; kubectl compares minor versions for its skew warning."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@cache
def document() -> dict[str, str]:
    """version.Info of k8s.io/apimachinery."""
    try:
        own = metadata.version("kubus")
    except metadata.PackageNotFoundError:
        own = "0"
    return {
        "major": MAJOR, "minor": MINOR, "gitVersion": f"v{MAJOR}.{MINOR}.{PATCH}+kubus{own}", "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}", "compiler": platform.python_implementation(),
        "platform": f"linux/{_MACHINES.get(platform.machine(), platform.machine())}",
    }


async def run(_server: Server, _request: Request) -> Response:
    """Indented JSON, as Kubernetes answers."""
    return Response(body=render(document(), PLAIN, pretty=True))
