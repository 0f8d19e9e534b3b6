"""Where an operator's own files are: the state folder of `kubus up` and of the fleet ($KUBUS_STATE, else ~/.kubus)."""

from __future__ import annotations

import os
from pathlib import Path

from schemas.errors import KubusError

INVENTORY, KNOWN_HOSTS, KUBECONFIG, ENDING = "inventory.yml", "known_hosts", "kubeconfig", "ending"


class NotInFleet(KubusError):
    """No machine of that name is known here; says which file was read, and what to do."""


def folder() -> Path:
    """The state folder; it need not exist."""
    return Path(os.environ.get("KUBUS_STATE") or Path.home() / ".kubus").absolute()


def inventory() -> Path:
    """The fleet file."""
    return folder() / INVENTORY


def known_hosts() -> Path:
    """The pinned host keys."""
    return folder() / KNOWN_HOSTS


def kubeconfig() -> Path:
    """The operator's kubeconfig, when this folder's cluster is a fleet."""
    return folder() / KUBECONFIG


def ending() -> Path:
    """There while the cluster's masters are being removed from here: a second try finds no API left to ask."""
    return folder() / ENDING


def wheels() -> Path:
    """What is sent to machines."""
    return folder() / "wheels"


def is_local_cluster() -> bool:
    """Does `kubus up` keep its cluster here?"""
    return (folder() / "cluster.json").exists()
