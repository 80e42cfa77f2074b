"""
A simulated FreeBSD storage host: real SSH in front, simulated ZFS and CTL behind.

It imports nothing of the driver or the collection, so that the two cannot share a mistake. What it does not model it
refuses loudly (exit status 2, ``simulator: … is not modelled``) and records, so that a test can assert that it never happened.
"""
