"""What pods and the node controller agree on about nodes that are lost: the taints and the patience.

Kubernetes lets a pod stay 300 s on a lost node unless it says otherwise; its clusters are thousands of machines and
its heartbeats come every ten seconds. Kubus hears a node every second and promises replacements within 15 s of its
death: 5 s until it is believed (NotReady), `DEFAULT_SECONDS` of patience, the rest for scheduling and starting. A pod
that is dear to start says its own tolerationSeconds, as ever.
"""

from __future__ import annotations

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
LOST = (NOT_READY, UNREACHABLE)

DEFAULT_SECONDS = 5
"""tolerationSeconds that admission gives pods that do not tolerate LOST themselves (DefaultTolerationSeconds)."""
