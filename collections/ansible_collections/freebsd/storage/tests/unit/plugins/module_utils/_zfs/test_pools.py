# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._zfs.pools import Pool, parse, pool_of
from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

TABLE = "config:\n\n\tNAME        STATE     READ WRITE CKSUM\n\ttank        ONLINE       0     0     0\n\n"
WELL = f"  pool: tank\n state: ONLINE\n{TABLE}errors: No known data errors\n"
DEGRADED = f"""  pool: tank
 state: DEGRADED
status: One or more devices could not be opened.  Sufficient replicas exist for
\tthe pool to continue functioning in a degraded state.
action: Attach the missing device and online it using 'zpool online'.
   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-2Q
{TABLE}errors: No known data errors
"""
DAMAGED = f"""  pool: tank
 state: ONLINE
status: One or more devices has experienced an error resulting in data
\tcorruption.  Applications may be affected.
{TABLE}errors: Permanent errors have been detected in the following files:

        tank/csi/pvc-1:<0x1>
        /tank/some/file
        tank/csi/pvc-2@s:<0x1>
        <metadata>:<0x3d>
"""


def look(status: str, *, health: str = "ONLINE", err: str = "") -> Pool:
    listed = Completed(("zpool", "list"), 0, f"{health}\t42\n", "")
    return parse("tank", listed, Completed(("zpool", "status"), 0, status, err))


def test_a_pool_that_is_well() -> None:
    assert look(WELL) == Pool("tank", "ONLINE", 42)
    assert look(WELL).works


def test_what_zfs_says_and_advises_is_one_line() -> None:
    pool = look(DEGRADED, health="DEGRADED")
    assert pool.works
    assert pool.said == (
        "One or more devices could not be opened. Sufficient replicas exist for the pool to continue functioning in "
        "a degraded state. Attach the missing device and online it using 'zpool online'."
    )


def test_damaged_volumes_are_told_apart_from_files_and_snapshots() -> None:
    pool = look(DAMAGED)
    assert pool.damage
    assert "tank/csi/pvc-1" in pool.damaged
    assert not {"tank/csi/pvc-2", "/tank/some/file"} & pool.damaged


@pytest.mark.parametrize(
    ("status", "err", "damage"),
    [
        (
            f"  pool: tank\n state: ONLINE\n{TABLE}",
            "errors: List of errors unavailable: permission denied\n",
            "errors: List of errors unavailable: permission denied",
        ),
        (
            f" state: ONLINE\n{TABLE}errors: 2 data errors, use '-v' for a list\n",
            "",
            "2 data errors, use '-v' for a list",
        ),
        ("", "", "ZFS does not say whether data is damaged"),
    ],
)
def test_silence_about_damage_is_not_taken_for_health(status: str, err: str, damage: str) -> None:
    assert look(status, err=err).damage == damage


@pytest.mark.parametrize(
    "listed",
    [
        Completed(("zpool", "list"), 1, "", "cannot open 'tank': no such pool\n"),
        Completed(("zpool", "list"), 0, "", "", late=True),
        Completed(("zpool", "list"), 0, "what\n", ""),
        Completed(("zpool", "list"), 127, "", "", unstarted=HostError("degraded", "no zpool")),
    ],
)
def test_a_pool_that_is_not_shown_is_not_judged(listed: Completed) -> None:
    with pytest.raises(HostError) as caught:
        parse("tank", listed, Completed(("zpool", "status"), 0, WELL, ""))
    assert caught.value.code == "degraded"


def test_the_pool_of_a_dataset() -> None:
    assert pool_of("tank/a/b") == "tank"
