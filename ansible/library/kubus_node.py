"""A Node object through the API, from a master: cordon, drain, uncordon, wait until Ready. Kubernetes' own calls."""

from __future__ import annotations

import http.client
import json
import ssl
import time

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: kubus_node
short_description: Cordon, drain, uncordon a node, or wait until it is Ready
description:
  - Runs on a master, with the operator's certificate that lies there.
  - A drain evicts, and asks again while a disruption budget refuses. Pods of DaemonSets and bare pods stay.
options:
  name: {description: The node., type: str, required: true}
  state: {description: "cordoned, drained, uncordoned or ready.", type: str, required: true}
  by: {description: Whose cordon it is; uncordoned then lifts that one and no other., type: str, default: ""}
  seconds: {description: The longest wait., type: int, default: 120}
  port: {description: The API server's on this machine., type: int, default: 6443}
"""

PKI = "/etc/kubus/pki"
POLL_SECONDS = 0.25
CORDONED_BY = "kubus.io/cordoned-by"
"""Annotation of a Node. It lies beside the cordon, not in the run that made it: a run may end early."""


class Refused(Exception):
    """The API said no, in its words."""

    def __init__(self, code, words):
        super().__init__(words)
        self.code = code


class Api:
    """One connection to the API server beside us."""

    def __init__(self, port):
        context = ssl.create_default_context(cafile=f"{PKI}/ca.crt")
        context.load_cert_chain(f"{PKI}/operator.crt", f"{PKI}/operator.key")
        self._port, self._context = port, context

    def ask(self, method, path, body=None, kind="application/json"):
        """The answer as plain values. Raises Refused, OSError."""
        link = http.client.HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=15)
        try:
            link.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": kind})
            answer = link.getresponse()
            said = json.loads(answer.read() or b"{}")
        finally:
            link.close()
        if answer.status >= 300:
            raise Refused(answer.status, said.get("message", f"HTTP {answer.status}"))
        return said


def is_ready(node):
    """The Ready condition of a Node."""
    found = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in found)


def leaves(pod):
    """Whether a drain takes this pod away: one that somebody will make again elsewhere."""
    owners = pod["metadata"].get("ownerReferences", [])
    managed = [owner for owner in owners if owner.get("controller")]
    return bool(managed) and managed[0]["kind"] not in ("DaemonSet", "Node")


def is_cordoned(node):
    """By whomever."""
    return bool(node.get("spec", {}).get("unschedulable"))


def cordoner(node):
    """Who said that it was he; "" for an operator, who does not say."""
    return (node["metadata"].get("annotations") or {}).get(CORDONED_BY, "")


def turn(node, wanted, by):
    """The merge patch that cordons or uncordons; None when there is nothing to do. Pure.

    A cordon that stands is left to whom it is. `by` "" uncordons whoever cordoned.
    """
    if wanted:
        return None if is_cordoned(node) else patch(True, by)
    if not is_cordoned(node):  # lifted by hand: the mark would claim the operator's next cordon
        return patch(None, None) if cordoner(node) else None
    return patch(None, None) if by in ("", cordoner(node)) else None


def patch(unschedulable, by):
    """Both at once: a cordon without its mark would stay for ever, a mark without a cordon would lift another's."""
    return {"metadata": {"annotations": {CORDONED_BY: by or None}}, "spec": {"unschedulable": unschedulable}}


def cordon(api, name, wanted, by, check):
    """Set spec.unschedulable and whose it is. Returns (whether that changed anything, whether the cordon is his)."""
    node = api.ask("GET", f"/api/v1/nodes/{name}")
    change = turn(node, wanted, by)
    if change is not None and not check:
        node = api.ask("PATCH", f"/api/v1/nodes/{name}", change, "application/merge-patch+json")
    return change is not None, bool(by) and is_cordoned(node) and cordoner(node) == by


def pods_of(api, name):
    """Pods on the node that a drain takes away."""
    every = api.ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}")["items"]
    return [p for p in every if leaves(p) and p.get("status", {}).get("phase") not in ("Succeeded", "Failed")]


def drain(api, name, deadline):
    """Evict until none is left. Returns why it did not end, or ""."""
    why = ""
    while True:
        left = pods_of(api, name)
        if not left:
            return ""
        if time.monotonic() > deadline:
            names = ", ".join(f"{p['metadata']['namespace']}/{p['metadata']['name']}" for p in left)
            return f"{len(left)} pods are still on {name}: {names}. {why}"
        for pod in left:
            meta = pod["metadata"]
            if meta.get("deletionTimestamp"):
                continue
            try:
                api.ask(
                    "POST",
                    f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction",
                    {
                        "apiVersion": "policy/v1",
                        "kind": "Eviction",
                        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
                    },
                )
            except Refused as error:
                if error.code not in (404, 429):
                    raise
                why = str(error)
        time.sleep(POLL_SECONDS)


def ready(api, name, deadline):
    """Wait for the condition. Returns why it did not come, or ""."""
    why = "it has not been seen"
    while time.monotonic() < deadline:
        try:
            node = api.ask("GET", f"/api/v1/nodes/{name}")
            if is_ready(node):
                return ""
            found = [c for c in node.get("status", {}).get("conditions", []) if c["type"] == "Ready"]
            why = found[0].get("message") or found[0].get("reason") if found else "it has not reported yet"
        except Refused as error:
            why = str(error)
        except OSError as error:
            why = f"the API server does not answer: {error}"
        time.sleep(POLL_SECONDS)
    return f"node {name} is not Ready: {why}"


def work(module, told):
    """Returns the failure or "". `told` gets changed, and held: whether the node is cordoned by him who asks."""
    asked, check = module.params, module.check_mode
    api, deadline = Api(asked["port"]), time.monotonic() + asked["seconds"]
    if asked["state"] == "ready":
        return "" if check else ready(api, asked["name"], deadline)
    wanted = asked["state"] != "uncordoned"
    told["changed"], told["held"] = cordon(api, asked["name"], wanted, asked["by"], check)
    if asked["state"] != "drained":
        return ""
    told["changed"] = bool(pods_of(api, asked["name"])) or told["changed"]
    return "" if check else drain(api, asked["name"], deadline)


def main():
    """See DOCUMENTATION."""
    states = ["cordoned", "drained", "uncordoned", "ready"]
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": states, "required": True},
            "by": {"type": "str", "default": ""},
            "seconds": {"type": "int", "default": 120},
            "port": {"type": "int", "default": 6443},
        },
        supports_check_mode=True,
    )
    told = {"changed": False, "held": False}
    try:
        failure = work(module, told)
    except (Refused, OSError) as error:
        module.fail_json(msg=f"node {module.params['name']}, {module.params['state']}: {error}", **told)
    if failure:
        module.fail_json(msg=f"after {module.params['seconds']} s {failure}", **told)
    module.exit_json(**told)


if __name__ == "__main__":
    main()
