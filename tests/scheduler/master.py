"""A master for the scheduler's tests: real etcd and nats-server; apiserver, publisher, scheduler as real processes."""

from __future__ import annotations

from runtime.api import Api, BusTransport
from runtime.bus import Bus
from schemas.core.namespace import NAMESPACE
from schemas.core.serviceaccount import SERVICEACCOUNT, ServiceAccount
from schemas.errors import AlreadyExists, KubusError
from schemas.meta.object import ObjectMeta
from tests.controllers.master import Master as Whole
from tests.controllers.master import until

__all__ = ["Master", "until"]
SERVICES = ("apiserver", "publisher", "scheduler")


class Master(Whole):
    """Speaks over the bus as the controllers, which are not there."""

    async def __aenter__(self) -> Master:
        for service in SERVICES:
            self.start(service)
        self.bus = await Bus.connect(self._bus("controllers"))
        self.api = Api(BusTransport(self.bus))
        await until(self._is_up, 30)
        return self

    async def _is_up(self) -> bool:
        try:
            await self.api.get(NAMESPACE, "", "default")
            account = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
            await self.api.create(SERVICEACCOUNT, account)
        except AlreadyExists:
            return True
        except KubusError:
            return False
        return True
