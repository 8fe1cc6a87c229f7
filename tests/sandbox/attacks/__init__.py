"""The attacks that the sandbox must withstand: literal programs, each with what it tries."""

from tests.sandbox.attacks import channel, files, kernel, leaks, network, processes, resources
from tests.sandbox.attacks.attack import Attack

ATTACKS: tuple[Attack, ...] = (
    *files.ATTACKS,
    *network.ATTACKS,
    *processes.ATTACKS,
    *kernel.ATTACKS,
    *resources.ATTACKS,
    *channel.ATTACKS,
    *leaks.ATTACKS,
)

__all__ = ["ATTACKS", "Attack"]
