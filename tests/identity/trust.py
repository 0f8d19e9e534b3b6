"""What a nats-server of a test believes: the authority of a pki folder."""

from __future__ import annotations

from pathlib import Path

from master.identity.pki import Pki
from master.watch.nats_server import Trust


def trust_of(pki: Pki, directory: Path) -> Trust:
    """As `kubus up` and masters write it."""
    operator, accounts = pki.ensure_accounts()
    return Trust(operator=operator, system=pki.ensure_authority().system_key, accounts=accounts,
                 directory=str(directory))
