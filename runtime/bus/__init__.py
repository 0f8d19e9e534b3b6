"""The bus: NATS behind one seam. Nobody else imports nats.

    bus.py         what everybody uses           following.py   a stream as snapshot and live changes
    connection.py  up for ever                   publishing.py  pipelined, acknowledged
    client.py      nats-py, tamed                subscribing.py core messages to bounded tasks
    inbox.py       answers find their askers     jetstream.py   the management API, raw
"""

from __future__ import annotations

from ..config import BusConfig as BusConfig
from .bus import Bus as Bus
from .following import Follower as Follower
from .jetstream import NoStream as NoStream
from .messages import Frame as Frame
from .messages import Mark as Mark
from .messages import Message as Message
from .subscribing import Subscription as Subscription
