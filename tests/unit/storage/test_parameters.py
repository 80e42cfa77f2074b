"""StorageClass parameters become a typed value, or an error that says what to do."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage.parameters import parse


def test_nothing_given_means_a_thin_iscsi_volume_that_follows_the_pool() -> None:
    """Properties that nobody asked for are left to the pool."""
    spec = parse({}, {}).spec
    assert (spec.thin, spec.volblocksize, spec.blocksize, spec.properties) == (True, 16384, 512, {})
    assert spec.attributes == {"protocol": "iscsi", "fsType": "ext4"}


def test_a_class_overrides_the_configured_defaults() -> None:
    """Defaults hold where the class is silent."""
    spec = parse({"compression": "zstd-19"}, {"compression": "lz4", "sync": "always"}).spec
    assert spec.properties == {"compression": "zstd-19", "sync": "always"}


def test_keys_of_the_sidecars_are_not_ours() -> None:
    """The provisioner adds names of PVCs; they change nothing."""
    assert parse({"csi.storage.k8s.io/pvc/name": "data"}, {}) == parse({}, {})


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("compression", "rar", "zstd-fast-N"),
        ("compression", "zstd-20", "zstd-19"),
        ("compression", "{{ lookup('pipe','id') }}", "lz4"),
        ("thin", "yes", "'true' or 'false'"),
        ("thin", "True", "'true' or 'false'"),
        ("fsType", "ntfs", "'ext4' or 'xfs'"),
        ("blockSize", "1024", "'512' or '4096'"),
        ("volblocksize", "16K", "power of two"),
        ("volblocksize", "12288", "power of two"),
        ("volblocksize", "33554432", "16777216"),
        ("sync", "sometimes", "'standard', 'always' or 'disabled'"),
        ("protocol", "fc", "'iscsi'"),
        ("cloneMode", "move", "'clone' or 'copy'"),
    ],
)
def test_a_bad_value_is_refused_by_name_with_what_is_allowed(key: str, value: str, allowed: str) -> None:
    """The message holds the key, the value and the choices."""
    with pytest.raises(DriverError) as caught:
        parse({key: value}, {})
    assert caught.value.code is ErrorCode.INVALID
    assert caught.value.option == f"parameters.{key}"
    assert key in caught.value.message
    assert allowed in caught.value.message


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    """A typo is found by the person who made it."""
    with pytest.raises(DriverError, match=r"'compresion'.*compression") as caught:
        parse({"compresion": "lz4"}, {})
    assert caught.value.option == "parameters.compresion"
