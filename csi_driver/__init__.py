"""A Container Storage Interface driver for FreeBSD hosts with ZFS."""
