"""Which machine this is, for telling a second one of the same name apart. Reads what the firmware says, and /etc.

The firmware's word outlives a reinstallation: DMI's product uuid, on boards without DMI the serial number.
"""

from __future__ import annotations

from pathlib import Path

from ..kubelet import machine


def identity(root: Path = Path("/")) -> str:
    """The firmware's id; in a container, where that is the host's, and without firmware: systemd's machine id."""
    contained = (root / "run/systemd/container").exists() or (root / "run/.containerenv").exists()
    return ("" if contained else machine.system_uuid(root)) or machine.machine_id(root)
