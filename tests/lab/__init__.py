"""Real hosts on one machine, for tests and by hand: `from tests.lab import Lab`."""

from tests.lab.host import Host as Host
from tests.lab.lab import Lab as Lab
from tests.lab.shell import LabError as LabError
from tests.lab.shell import until as until
from tests.lab.vm import Vm as Vm
