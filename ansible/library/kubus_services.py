"""systemd units, by level: enabled, running, and not older than the program and the files they were started from.

A handler that restarts "on change" is lost when the run fails in between; this looks at what runs.
"""

from __future__ import annotations

import os
import re
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: kubus_services
short_description: Start what does not run, restart what runs an older version
options:
  names: {description: Units., type: list, elements: str, required: true}
  files:
    description: What a running unit must be younger than; without it the files below /etc/kubus that its command names,
      and those that these name.
    type: list
    elements: str
  changing: {description: Files that check mode is to take for changed., type: list, elements: str, default: []}
  start: {description: Whether a unit that does not run is started., type: bool, default: true}
  restart: {description: Whether a unit that is older than its files is restarted., type: bool, default: true}
  settle: {description: A command that waits, after something was restarted., type: list, elements: str, default: []}
"""

LINK = "/opt/kubus/venv"
CONFIG = re.compile(rb"/etc/kubus/[\w.@/-]+")
FIELDS = "ActiveState,MainPID,UnitFileState,NeedDaemonReload,FragmentPath,LoadState,ExecStart"


def systemctl(*words):
    """Its output. Raises CalledProcessError with what it said."""
    return subprocess.run(
        ["systemctl", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
    ).stdout.decode()


def shown(name):
    """What systemd knows of a unit."""
    rows = systemctl("show", name, "-p", FIELDS).splitlines()
    return dict(row.split("=", 1) for row in rows if "=" in row)


def started(pid):
    """When a process began, in seconds since the epoch."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/stat", encoding="utf-8") as file:
        boot = next(int(row.split()[1]) for row in file if row.startswith("btime "))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def newest(paths):
    """The youngest modification of these files."""
    return max([os.stat(path).st_mtime for path in paths if os.path.exists(path)], default=0.0)


def named(unit):
    """The files of ours that a unit's command names, and those that they name: its config, keys and certificates."""
    found, todo = set(), set(CONFIG.findall(unit.get("ExecStart", "").encode()))
    while todo:
        path = todo.pop().decode()
        if path not in found and os.path.isfile(path):
            found.add(path)
            with open(path, "rb") as file:
                todo |= set(CONFIG.findall(file.read()))
    return sorted(found)


def runs_another_environment(pid):
    """Whether the process has mapped files of an environment that the link no longer names."""
    if not os.path.islink(LINK):
        return False
    current = os.path.realpath(LINK) + "/"
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
        mapped = {row.split(None, 5)[5] for row in file if "/opt/kubus/venv-" in row}
    return bool(mapped) and not any(path.startswith(current) for path in mapped)


def why_stale(unit, files, changing):
    """A reason in words, or ""."""
    pid = int(unit.get("MainPID", "0") or 0)
    if not pid:
        return ""
    try:
        if runs_another_environment(pid):
            return "runs an older version"
        own = [*(named(unit) if files is None else files), unit.get("FragmentPath") or ""]
        # 1 s: the boot time is known in whole seconds
        if newest(own) > started(pid) + 1 or set(own) & set(changing):
            return "is older than its files"
    except (FileNotFoundError, ProcessLookupError):
        return "has just ended"
    return ""


def plan(unit, files, changing=()):
    """What is to be done with a unit: (verb, reason), or None."""
    if unit.get("LoadState") == "not-found":
        return ("start", "is not installed yet")
    if unit.get("UnitFileState") not in ("enabled", "static"):
        return ("start", "is not enabled")
    if unit.get("ActiveState") not in ("active", "activating", "reloading"):
        return ("start", "does not run")
    reason = why_stale(unit, files, changing)
    return ("restart", reason) if reason else None


def act(module, todo, settle):
    """Do it; nobody is waited for but the restarted."""
    systemctl("daemon-reload")
    starts = [name for name, (verb, _) in todo.items() if verb == "start"]
    restarts = [name for name, (verb, _) in todo.items() if verb == "restart"]
    if starts:
        failed = [name for name in starts if shown(name).get("ActiveState") == "failed"]
        if failed:
            systemctl("reset-failed", *failed)
        systemctl("enable", "--now", "--no-block", *starts)
    if restarts:
        systemctl("restart", *restarts)
        if settle:
            ran = subprocess.run(settle, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if ran.returncode:
                module.fail_json(
                    msg=f"restarted {', '.join(restarts)}, then: {ran.stdout.decode(errors='replace')[-2000:]}"
                )


def main():
    """See DOCUMENTATION."""
    strings = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        argument_spec={
            "names": {**strings, "required": True},
            "files": strings,
            "changing": {**strings, "default": []},
            "start": {"type": "bool", "default": True},
            "restart": {"type": "bool", "default": True},
            "settle": {**strings, "default": []},
        },
        supports_check_mode=True,
    )
    todo, said = {}, []
    for name in module.params["names"]:
        step = plan(shown(name), module.params["files"], module.params["changing"])
        if step and module.params[step[0]]:
            todo[name] = step
            said.append(f"{name} {step[1]}: {step[0]}")
    if todo and not module.check_mode:
        try:
            act(module, todo, module.params["settle"])
        except subprocess.CalledProcessError as error:
            module.fail_json(msg=f"`{' '.join(error.cmd)}` failed: {error.stdout.decode(errors='replace')}")
    module.exit_json(changed=bool(todo), steps=said)


if __name__ == "__main__":
    main()
