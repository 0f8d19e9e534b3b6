"""Debian packages, by apt-get itself: `ansible.builtin.apt` would first install python3-apt, which nobody owns."""

from __future__ import annotations

import glob
import hashlib
import os
import subprocess
import tarfile
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

from ansible.module_utils.kubus_record import add, installed, read, settle, write

DOCUMENTATION = """
module: kubus_packages
short_description: Install what is missing, and write down what came with it
description:
  - Never upgrades and never removes anything. Records every package that was not there before in owned.json.
options:
  names: {description: Packages that must be installed., type: list, elements: str, required: true}
  debs: {description: A tar with .deb files on this machine; empty means its own sources., type: str, default: ""}
"""

LISTS_SECONDS = 24 * 3600
LOCK_SECONDS = 300
ENVIRONMENT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C"}


def apt(module, *words):
    """apt-get, waiting for whoever else installs something; the last lines of what it said when it fails."""
    command = ["apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Acquire::Retries=2", *words]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT, check=False)
    if ran.returncode:
        tail = "\n".join(ran.stdout.decode(errors="replace").splitlines()[-20:])
        module.fail_json(msg=f"apt-get {words[0]} failed. For a machine without internet give kubus_debs.\n{tail}")


def lists_are_old():
    """Whether nobody has fetched the sources' lists for a day."""
    found = [os.stat(path).st_mtime for path in glob.glob("/var/lib/apt/lists/*Packages*")]
    return not found or time.time() - max(found) > LISTS_SECONDS


def install(module, missing, debs):
    """Install; downloads go to a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="kubus-packages-") as scratch:
        os.makedirs(os.path.join(scratch, "partial"))
        cache = ["-o", f"Dir::Cache::archives={scratch}"]
        always = ["--no-install-recommends", "--no-remove", "--no-upgrade"]
        if not debs:
            if lists_are_old():
                apt(module, "update")
            apt(module, "install", *cache, *always, *missing)
            return
        with tarfile.open(debs) as packed:
            packed.extractall(scratch)
        source = [*as_source(scratch), *cache]
        apt(module, "update", *source)
        apt(module, "install", *source, *always, *missing)


def as_source(folder):
    """Write the index of a folder of packages; options by which apt-get knows this source and no other."""
    rows = []
    for path in sorted(glob.glob(f"{folder}/*.deb")):
        control = subprocess.run(["dpkg-deb", "--field", path], stdout=subprocess.PIPE, check=True).stdout.decode()
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        place = f"Filename: ./{os.path.basename(path)}\nSize: {os.path.getsize(path)}\nSHA256: {digest}\n"
        rows.append(f"{control.rstrip()}\n{place}")
    with open(f"{folder}/Packages", "w", encoding="utf-8") as file:
        file.write("\n".join(rows))
    with open(f"{folder}/sources.list", "w", encoding="utf-8") as file:
        file.write(f"deb [trusted=yes] file:{folder} ./\n")
    os.makedirs(f"{folder}/lists/partial")
    # the machine's own lists and caches are not touched
    said = {
        "Dir::Etc::sourcelist": f"{folder}/sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": f"{folder}/lists",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",
    }
    return [word for key, value in said.items() for word in ("-o", f"{key}={value}")]


def main():
    """See DOCUMENTATION."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "debs": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    missing = sorted(set(module.params["names"]) - installed())
    if module.check_mode or not missing:
        if not module.check_mode:
            settle()
        module.exit_json(changed=bool(missing), missing=missing)
    settle()
    before = installed()
    write({**read(), "packages_before": sorted(before)})
    install(module, missing, module.params["debs"])
    settle()
    still = sorted(set(missing) - installed())
    if still:
        module.fail_json(msg=f"apt-get said yes, but not installed: {', '.join(still)}")
    came = sorted(installed() - before)
    add("packages", came)
    module.exit_json(changed=True, installed=came)


if __name__ == "__main__":
    main()
