"""What can happen to the cluster that may let a rejected pod fit. Data only: names of changes.

A filter lists the changes that may turn its no into a yes (`wakes_on`); the queue wakes a pod only on those of the
filters that rejected it.
"""

from __future__ import annotations

NODE_ADDED = "node/added"
NODE_LABELS = "node/labels"
NODE_TAINTS = "node/taints"
NODE_SCHEDULABLE = "node/schedulable"
NODE_ALLOCATABLE = "node/allocatable"
NODE_REMOVED = "node/removed"
POD_ADDED = "pod/added"
POD_REMOVED = "pod/removed"
NAMESPACE_LABELS = "namespace/labels"

Wakes = frozenset[str]
NOTHING: Wakes = frozenset()
