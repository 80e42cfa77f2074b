"""
A simulated FreeBSD storage host: real SSH in front, simulated ZFS and CTL behind.

It imports nothing of the driver or the collection, so that the two cannot share a mistake. What it does not model
it refuses loudly (exit status 2, ``simulator: … is not modelled``) and records, so that a test can assert that it
never happened.

A command fault, ``{"op": "fault", "command": "zfs", "match": "create", "when": "before", "nth": 2, "action": …}``,
fires at the boundary of a command, before its effect or after it (``match`` is text within the joined argv). Actions:
``fail`` (with ``rc``, ``out``, ``err``), ``hang`` (``seconds``, or until ``clear-faults``), ``kill-client`` (SIGKILL
to the command's process), ``kill-module`` (to its parent as well), ``cut`` (its SSH connection breaks, its processes
live on), ``reboot``. Other points than ``command`` are named by the part that takes them.
"""
