"""One file of kernel settings, and the values in force: both, since a file alone waits for the next boot."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.kubus_record import add, read, write

DOCUMENTATION = """
module: kubus_sysctl
short_description: Keep kernel settings, now and after a boot
options:
  path: {description: The file below /etc/sysctl.d., type: str, required: true}
  values: {description: Keys with dots and their values., type: dict, required: true}
"""


def place(key):
    """Where the kernel shows it."""
    return "/proc/sys/" + key.replace(".", "/")


def seen(path):
    """A file's text, or None."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def main():
    """See DOCUMENTATION."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "str", "required": True}, "values": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    path, values = module.params["path"], {key: str(value) for key, value in module.params["values"].items()}
    text = "# Kubus: forwarding is on before Docker starts, which would else set the FORWARD chain to DROP.\n"
    text += "".join(f"{key} = {value}\n" for key, value in sorted(values.items()))
    wrong = sorted(key for key, value in values.items() if (seen(place(key)) or "").split() != value.split())
    stale = seen(path) != text
    if not module.check_mode and (wrong or stale):
        record = read()
        # all, not only the wrong: whoever changes one between two of our runs must not pass for the time before us
        kept = {key: (seen(place(key)) or "").strip() for key in values}
        write({**record, "sysctls": {**kept, **record.get("sysctls", {})}})
        add("paths", [path])
        if stale:
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(f"{path}.new", 0o644)
            os.rename(f"{path}.new", path)
        for key in wrong:
            with open(place(key), "w", encoding="utf-8") as file:
                file.write(values[key])
    module.exit_json(changed=bool(wrong or stale), wrong=wrong)


if __name__ == "__main__":
    main()
