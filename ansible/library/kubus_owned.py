"""What the agent made at run time goes from its record into the machine's, before anything is cleaned."""

from __future__ import annotations

import json

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.kubus_record import read, write

DOCUMENTATION = """
module: kubus_owned
short_description: Merge the agent's record of containers, images, mounts, links, routes and chains into the machine's
options: {}
"""

CONFIG = "/etc/kubus/agent.json"


def said(place):
    """A JSON object, {} when there is none."""
    try:
        with open(place, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def main():
    """See DOCUMENTATION."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    made = said(f"{said(CONFIG).get('state') or '/var/lib/kubus/agent'}/owned.json")
    record = read()
    changed = bool(made) and record.get("agent") != made
    if changed and not module.check_mode:
        write({**record, "agent": made})
    module.exit_json(changed=changed, owned=made or record.get("agent", {}))


if __name__ == "__main__":
    main()
