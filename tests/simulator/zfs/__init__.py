"""zfs(8) as OpenZFS's libzfs and cmd/zfs behave, release by release, over ``tests.simulator.storage``."""
