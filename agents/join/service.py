"""After a join: the unit file, and a running agent. Writes /etc/systemd/system, and only where systemd runs."""

from __future__ import annotations

from . import places, unit
from .places import UNIT, Places


def begin(at: Places, kubus: str, changed: bool) -> bool:
    """Did anything change? Does nothing where systemd is not the init. Raises UnitTrouble, OSError."""
    if not unit.has_systemd():
        return False
    wrote = places.write(UNIT, unit.text(kubus, at.config).encode(), 0o644)
    return unit.start(changed or wrote) or wrote
