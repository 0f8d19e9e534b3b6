"""`python -m master.cli {apiserver|publisher|controllers|scheduler} --config FILE`: one service as one process."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from runtime.config import Config, load
from runtime.supervise import run_process
from schemas.errors import KubusError

from .app import SERVICES, run


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
    return run_process(lambda: run(asked.service, config), asked.service, config.log_level)


if __name__ == "__main__":
    sys.exit(main())
