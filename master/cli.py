"""`python -m master.cli {apiserver|publisher|controllers|scheduler} --config FILE`: one service as one process.

Imports only the room it runs, so that no process pays for another's libraries.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from runtime.config import Config, load
from runtime.supervise import run_process
from schemas.errors import KubusError

SERVICES = {
    "apiserver": "master.api.service",
    "publisher": "master.watch.service",
    "controllers": "master.controllers.service",
    "scheduler": "master.scheduler.service",
}
"""Service -> module with `async def run(config)`."""


def main(argv: Sequence[str] | None = None) -> int:
    """The process' exit code: 0 after a signal, 1 after a failure, 2 for a bad command line or config."""
    parser = argparse.ArgumentParser(prog="python -m master.cli", description="Run one service of a Kubus master.")
    parser.add_argument("service", choices=sorted(SERVICES))
    parser.add_argument("--config", required=True, help="the JSON file that `kubus up` or Ansible wrote")
    asked = parser.parse_args(argv)
    try:
        config = load(asked.config, Config)
    except KubusError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    run = importlib.import_module(SERVICES[asked.service]).run
    return run_process(lambda: run(config), asked.service, config.log_level)


if __name__ == "__main__":
    sys.exit(main())
