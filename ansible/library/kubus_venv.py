"""Kubus' virtual environment: built beside the one in use, then one link is turned. Nothing is ever half upgraded."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tarfile

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.kubus_record import add

DOCUMENTATION = """
module: kubus_venv
short_description: /opt/kubus/venv from a bundle of wheels
options:
  digest: {description: Names the content; an environment of this name is complete., type: str, required: true}
  bundle: {description: A tar on this machine with the lock file and the wheels., type: str, required: true}
  python: {description: The interpreter., type: str, required: true}
  index: {description: Whether pip may fetch libraries from its index., type: bool, default: false}
"""

HOME = "/opt/kubus"
LINK, COMMAND = f"{HOME}/venv", "/usr/local/bin/kubus"
NEVER_IMPORTED = r"/tests?/"  # the libraries' own tests: a quarter of their code
# By way of the link: units and files that name this interpreter stay right when the link is turned.
# -P: what lies in a working directory is not ours to import.
KUBUS = f"#!{LINK}/bin/python -P\nimport sys\n\nfrom cli.main import main\n\nsys.exit(main())\n"


def run(module, what, *command):
    """A step of the build; the last lines of what it said when it fails."""
    ran = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
    )
    if ran.returncode:
        tail = "\n".join(ran.stdout.decode(errors="replace").splitlines()[-15:])
        module.fail_json(msg=f"{what} failed (exit code {ran.returncode})\n{tail}")


def build(module, place, bundle, index):
    """A complete environment at this place."""
    shutil.rmtree(place, ignore_errors=True)
    os.makedirs(HOME, mode=0o755, exist_ok=True)
    run(module, "making the environment", module.params["python"], "-m", "venv", "--without-pip", place)
    wheels = f"{place}/wheels"
    with tarfile.open(bundle) as packed:
        packed.extractall(wheels)
    (ours,) = glob.glob(f"{wheels}/kubus-*.whl")
    source = ["--find-links", wheels] if index else ["--no-index", "--find-links", wheels]
    run(
        module,
        "installing Kubus",
        f"{place}/bin/python",
        f"{wheels}/pip",
        "-q",
        "install",
        "--no-deps",
        "--no-compile",
        "--no-cache-dir",
        *source,
        "-r",
        f"{wheels}/requirements.lock",
        ours,
    )
    shutil.rmtree(wheels)
    with open(f"{place}/bin/kubus", "w", encoding="utf-8") as file:
        file.write(KUBUS)
    command = [f"{place}/bin/python", "-m", "compileall", "-q", "-j", "0", "-x", NEVER_IMPORTED, f"{place}/lib"]
    run(module, "compiling", *command)


def turn(path, target):
    """A link in one step."""
    if os.path.islink(path) and os.readlink(path) == target:
        return
    if os.path.lexists(f"{path}.new"):
        os.unlink(f"{path}.new")
    os.symlink(target, f"{path}.new")
    os.rename(f"{path}.new", path)


def main():
    """See DOCUMENTATION."""
    module = AnsibleModule(
        argument_spec={
            "digest": {"type": "str", "required": True},
            "bundle": {"type": "str", "required": True},
            "python": {"type": "str", "required": True},
            "index": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    name = f"venv-{module.params['digest']}"
    place = f"{HOME}/{name}"
    done = os.path.exists(f"{place}/complete")
    current = os.path.islink(LINK) and os.readlink(LINK) == name
    linked = os.path.islink(COMMAND) and os.readlink(COMMAND) == f"{LINK}/bin/kubus"
    changed = not (done and current and linked)
    if changed and not module.check_mode:
        add("paths", [HOME, COMMAND])
        if not done:
            build(module, place, module.params["bundle"], module.params["index"])
            open(f"{place}/complete", "w").close()
        turn(LINK, name)
        turn(COMMAND, f"{LINK}/bin/kubus")
        for old in glob.glob(f"{HOME}/venv-*"):
            if old != place:
                shutil.rmtree(old)
    module.exit_json(changed=changed, path=place)


if __name__ == "__main__":
    main()
