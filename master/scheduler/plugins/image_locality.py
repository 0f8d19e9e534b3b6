"""Prefer nodes that have the pod's images already, large images more; an image that few nodes have counts less,
so that one node does not draw all pods. Numbers: Kubernetes' ImageLocality (23 MB to 1000 MB per container)."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from ..columns import FLOAT, Floats, Rows
from ..plugin import BEST, Score, size
from ..podinfo import PodInfo
from ..table import NodeTable

LEAST = 23 * 1024 * 1024
MOST = 1000 * 1024 * 1024


class ImageLocality(Score):
    """Bytes at hand, between LEAST and MOST per container, as 0..100."""

    name = "ImageLocality"

    def token(self, pod: PodInfo, nodes: NodeTable) -> Hashable:
        return nodes.image_version if any(nodes.images.nodes(name) for name in pod.images) else None

    def score(self, pod: PodInfo, nodes: NodeTable, rows: Rows) -> Floats:
        held = np.zeros(size(nodes, rows))
        for name in pod.images:
            present = nodes.images.has(name, rows)
            if present is not None:
                held += present * (nodes.images.size(name) * (nodes.images.nodes(name) / nodes.nodes))
        most = MOST * len(pod.images)
        points = (np.clip(held, LEAST, most) - LEAST) * (BEST / (most - LEAST))
        return points.astype(FLOAT)
