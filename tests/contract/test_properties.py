"""The driver offers exactly the ZFS properties that the module takes: two lists, for the two share no code."""

from __future__ import annotations

from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import PROPERTIES
from csi_driver.storage.parameters import ZFS_PROPERTIES, Parameters


def test_both_sides_know_the_same_properties() -> None:
    """What one side knew alone would be refused on the host, or could not be asked for."""
    assert set(ZFS_PROPERTIES) == set(PROPERTIES)


def test_every_property_is_a_parameter() -> None:
    """Under its own name."""
    assert set(ZFS_PROPERTIES) <= set(Parameters.model_fields)
