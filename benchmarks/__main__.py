"""Every benchmark, one after the other: `make bench`. Each prints its ratio to a baseline of the same run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ORDER = ("put", "line", "scheduler", "api", "footprint", "masters", "join", "pods", "machines", "death", "network")


def main() -> int:
    here = Path(__file__).parent
    failed = []
    for name in ORDER:
        if not (here / f"{name}.py").exists():
            continue
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    print(f"\n{'all ran' if not failed else 'did not run through: ' + ', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
