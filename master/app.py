"""Which rooms a master has. The only place that knows them all, and it knows them by name: a process imports one."""

from __future__ import annotations

import importlib

from runtime.config import Config

SERVICES = {
    "apiserver": "master.api.service",
    "publisher": "master.watch.service",
    "controllers": "master.controllers.service",
    "scheduler": "master.scheduler.service",
}
"""Service -> module with `async def run(config)`, which lives until it is cancelled."""


async def run(service: str, config: Config) -> None:
    """Run one service in this process."""
    await importlib.import_module(SERVICES[service]).run(config)
