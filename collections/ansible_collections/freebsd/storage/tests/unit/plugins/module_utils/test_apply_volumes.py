# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Batches of volumes, from the options of the items to their results."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _settings
from ansible_collections.freebsd.storage.plugins.module_utils._apply.engine import Engine, Reply, Request
from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.local import LocalCtl
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import (
    GUID,
    OWNER,
    PARENT,
    UUIDS,
    Call,
    Choices,
    ScriptedCommands,
    luns_text,
    parameters,
    parent_text,
    ports_text,
    record,
    settings,
    snapshot_text,
    volume_text,
)
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.publishing import LIMITS, PGREP

READ = f"zfs get -Hp -r -t filesystem,volume,snapshot -s local,received,none -o name,property,value,source all {PARENT}"
SHOW = "zfs get -Hp -s local,received,none -o name,property,value,source all"


def apply(directory: Path, resources: list[dict[str, Any]], *calls: Call, check_mode: bool = False) -> Reply:
    commands = ScriptedCommands(*calls)
    request = Request(OWNER, PARENT, str(directory), lock_timeout=0, check_mode=check_mode)
    reply = Engine(request, commands, LocalCtl(commands, str(directory)), Choices()).run(items_of(resources))
    commands.finished()
    return reply


def error_of(reply: Reply, number: int = 0) -> HostError:
    error: Optional[HostError] = reply.outcomes[number].error
    assert error is not None
    return error


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    settings(tmp_path)
    return tmp_path


def wanted(name: str = "pvc-1", **options: Any) -> dict[str, Any]:
    return {"key": name, "kind": "volume", "name": name, "required_bytes": 1 << 30, **options}


def unwanted(uuid: str = UUIDS[0], key: str = "gone") -> dict[str, Any]:
    return {"key": key, "kind": "volume", "state": "absent", "uuid": uuid}


def test_a_volume_is_made_with_all_that_is_known_of_it_in_one_command(prepared: Path) -> None:
    json = parameters().to_json()
    create = (
        "zfs create -s -V 1073741824 -o volblocksize=16384 -o volmode=dev"
        f" -o org.freebsd.storage:schema=1 -o org.freebsd.storage:uuid={UUIDS[0]}"
        f" -o org.freebsd.storage:owner=demo:{GUID} -o org.freebsd.storage:name=pvc-1"
        f" -o org.freebsd.storage:parameters={json}"
        f" -o org.freebsd.storage:hash={parameters().digest()} tank/csi/pvc-1"
    )
    reply = apply(
        prepared,
        [wanted()],
        Call(READ, parent_text()),
        Call(create),
        Call(f"{SHOW} tank/csi/pvc-1", volume_text()),
    )
    assert reply.outcomes[0].as_dict() == {
        "key": "pvc-1",
        "changed": True,
        "volume": {
            "uuid": UUIDS[0],
            "name": "pvc-1",
            "dataset": "tank/csi/pvc-1",
            "size_bytes": 1 << 30,
            "used_bytes": 57344,
            "volblocksize": 16384,
            "thin": True,
            "blocksize": 512,
            "properties": {},
            "attributes": {},
            "source": None,
            "encryption": None,
            "chap": "none",
            "created": 1767225600,
            "publications": [],
        },
    }


def test_many_volumes_cost_one_read_one_command_each_and_one_read_back(prepared: Path) -> None:
    names = [f"pvc-{number}" for number in range(3)]
    reply = apply(
        prepared,
        [wanted(name) for name in names],
        Call(READ, parent_text()),
        *(Call("zfs create -s -V 1073741824 …") for _name in names),
        Call(
            f"{SHOW} tank/csi/pvc-0 tank/csi/pvc-1 tank/csi/pvc-2",
            "".join(volume_text(name, uuid) for name, uuid in zip(names, UUIDS)),
        ),
    )
    assert [outcome.changed for outcome in reply.outcomes] == [True, True, True]


def test_a_volume_that_is_there_costs_one_read_and_changes_nothing(prepared: Path) -> None:
    reply = apply(prepared, [wanted()], Call(READ, parent_text() + volume_text()))
    assert not reply.outcomes[0].changed
    assert reply.outcomes[0].noun is not None
    assert reply.outcomes[0].noun["uuid"] == UUIDS[0]


def test_two_items_for_one_name_make_one_volume(prepared: Path) -> None:
    reply = apply(
        prepared,
        [wanted(key="a"), wanted(key="b")],
        Call(READ, parent_text()),
        Call("zfs create …"),
        Call(f"{SHOW} tank/csi/pvc-1", volume_text()),
    )
    first, second = (outcome.as_dict() for outcome in reply.outcomes)
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["volume"] == second["volume"]


def test_an_item_that_relies_on_a_failed_one_shares_its_error(prepared: Path) -> None:
    reply = apply(
        prepared,
        [wanted(key="a"), wanted(key="b")],
        Call(READ, parent_text()),
        Call("zfs create …", err="cannot create 'tank/csi/pvc-1': out of space\n", rc=1),
    )
    assert [error_of(reply, number).code for number in (0, 1)] == ["out_of_space", "out_of_space"]


def test_errors_do_not_cross(prepared: Path) -> None:
    reply = apply(
        prepared,
        [wanted("pvc-1"), wanted("pvc-2"), {"key": "c", "kind": "volume", "name": ""}],
        Call(READ, parent_text()),
        Call("zfs create …", err="cannot create 'tank/csi/pvc-1': permission denied\n", rc=1),
        Call("zfs create …"),
        Call(f"{SHOW} tank/csi/pvc-2", volume_text("pvc-2", UUIDS[1])),
    )
    assert error_of(reply).code == "denied"
    assert reply.outcomes[1].error is None
    assert error_of(reply, 2).option == "name"


@pytest.mark.parametrize(
    ("change", "code", "option"),
    [
        ({"required_bytes": 2 << 30}, "exists_differently", "required_bytes"),
        ({"required_bytes": 1, "limit_bytes": 1 << 20}, "exists_differently", "limit_bytes"),
        ({"thin": False}, "exists_differently", "thin"),
        ({"attributes": {"fsType": "xfs"}}, "exists_differently", "attributes"),
    ],
)
def test_a_volume_of_that_name_that_is_different_is_an_error(
    prepared: Path, change: dict[str, Any], code: str, option: str
) -> None:
    reply = apply(prepared, [wanted(**change)], Call(READ, parent_text() + volume_text()))
    assert (error_of(reply).code, error_of(reply).option) == (code, option)


def test_a_name_taken_by_a_dataset_of_someone_else_is_an_error(prepared: Path) -> None:
    text = parent_text() + volume_text(owner=f"other:{GUID}")
    reply = apply(prepared, [wanted()], Call(READ, text))
    assert error_of(reply).code == "foreign_name"
    assert reply.drift == ()


def test_a_received_copy_is_reported_and_not_taken_for_the_volume(prepared: Path) -> None:
    text = parent_text() + volume_text(source="received")
    reply = apply(prepared, [unwanted()], Call(READ, text))
    assert reply.outcomes[0].as_dict() == {"key": "gone", "changed": False, "volume": None}
    assert [(each.kind, each.object) for each in reply.drift] == [("foreign_dataset", "tank/csi/pvc-1")]


def test_a_name_taken_in_the_meantime_by_the_same_volume_is_that_volume(prepared: Path) -> None:
    exists = "cannot create 'tank/csi/pvc-1': dataset already exists\n"
    reply = apply(
        prepared,
        [wanted()],
        Call(READ, parent_text()),
        Call("zfs create …", err=exists, rc=1),
        Call(f"{SHOW} tank/csi/pvc-1", volume_text(uuid=UUIDS[7])),
    )
    assert not reply.outcomes[0].changed
    assert reply.outcomes[0].noun is not None
    assert reply.outcomes[0].noun["uuid"] == UUIDS[7]


def test_a_name_taken_in_the_meantime_by_someone_else_is_an_error(prepared: Path) -> None:
    exists = "cannot create 'tank/csi/pvc-1': dataset already exists\n"
    reply = apply(
        prepared,
        [wanted()],
        Call(READ, parent_text()),
        Call("zfs create …", err=exists, rc=1),
        Call(f"{SHOW} tank/csi/pvc-1", "tank/csi/pvc-1\ttype\tvolume\t-\n"),
    )
    assert error_of(reply).code == "foreign_name"


def test_a_volume_is_destroyed_without_any_flag(prepared: Path) -> None:
    reply = apply(
        prepared,
        [unwanted()],
        Call(READ, parent_text() + volume_text()),
        Call("zfs destroy tank/csi/pvc-1"),
    )
    assert reply.outcomes[0].as_dict() == {"key": "gone", "changed": True, "volume": None}


def test_destroying_what_is_not_there_is_success(prepared: Path) -> None:
    reply = apply(prepared, [unwanted()], Call(READ, parent_text()))
    assert reply.outcomes[0].as_dict() == {"key": "gone", "changed": False, "volume": None}


def test_a_published_volume_is_not_destroyed(prepared: Path) -> None:
    reply = apply(prepared, [unwanted()], Call(READ, parent_text() + volume_text(records=[record()])))
    assert error_of(reply).code == "in_use"
    assert "node1" in error_of(reply).msg


def test_a_volume_with_snapshots_is_not_destroyed(prepared: Path) -> None:
    children = (
        "cannot destroy 'tank/csi/pvc-1': volume has children\n"
        "use '-r' to destroy the following datasets:\ntank/csi/pvc-1@daily\n"
    )
    reply = apply(
        prepared,
        [unwanted()],
        Call(READ, parent_text() + volume_text()),
        Call("zfs destroy tank/csi/pvc-1", err=children, rc=1),
    )
    assert error_of(reply).code == "in_use"
    assert "tank/csi/pvc-1@daily" in error_of(reply).msg


def test_a_name_freed_in_the_same_batch_is_used_in_a_second_round(prepared: Path) -> None:
    reply = apply(
        prepared,
        [unwanted(), wanted(thin=False)],
        Call(READ, parent_text() + volume_text()),
        Call("zfs destroy tank/csi/pvc-1"),
        Call(READ, parent_text()),
        Call("zfs create -V 1073741824 …"),
        Call(f"{SHOW} tank/csi/pvc-1", volume_text(wanted=parameters(thin=False))),
    )
    assert [outcome.changed for outcome in reply.outcomes] == [True, True]


@pytest.mark.parametrize(
    ("guid", "text", "err"),
    [
        (GUID, "", "cannot open 'tank/csi': dataset does not exist\n"),
        (GUID, parent_text(guid="1"), ""),
        (None, parent_text(), ""),
    ],
    ids=["pool not imported", "another dataset", "not registered"],
)
def test_without_the_registered_parent_every_item_is_degraded_and_nothing_is_written(
    tmp_path: Path, guid: Optional[str], text: str, err: str
) -> None:
    if guid is not None:
        settings(tmp_path, guid)
    reply = apply(tmp_path, [wanted(), unwanted()], Call(READ, text, err, rc=1 if err else 0))
    assert [error_of(reply, number).code for number in (0, 1)] == ["degraded", "degraded"]
    assert "storage_host" in error_of(reply).msg or "registered" in error_of(reply).msg


def test_check_mode_runs_nothing_and_marks_what_the_host_would_choose(prepared: Path) -> None:
    reply = apply(
        prepared,
        [wanted(), wanted(key="again"), unwanted(UUIDS[9]), wanted("pvc-9", key="new")],
        Call(READ, parent_text() + volume_text("pvc-9", UUIDS[9])),
        check_mode=True,
    )
    nouns = [outcome.as_dict()["volume"] for outcome in reply.outcomes]
    assert [outcome.changed for outcome in reply.outcomes] == [True, False, True, True]
    assert [noun["uuid"] if noun else None for noun in nouns] == [  # type: ignore[index]
        "(chosen by the host)",
        "(chosen by the host)",
        None,
        "(chosen by the host)",
    ]


def test_the_host_being_busy_fails_the_whole(prepared: Path) -> None:
    with _settings.locked(str(prepared), 0), pytest.raises(HostError) as caught:
        apply(prepared, [wanted()])
    assert caught.value.code == "busy"


def test_without_a_settings_directory_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        apply(tmp_path / "nowhere", [wanted()])
    assert caught.value.code == "degraded"
    assert "storage_host" in caught.value.msg


def test_a_parameter_too_long_for_zfs_fails_its_item_only(prepared: Path) -> None:
    reply = apply(
        prepared,
        [wanted("pvc-1", attributes={"note": "x" * 9000}), wanted("pvc-2")],
        Call(READ, parent_text()),
        Call("zfs create …"),
        Call(f"{SHOW} tank/csi/pvc-2", volume_text("pvc-2", UUIDS[0])),
    )
    assert (error_of(reply).code, error_of(reply).option) == ("invalid", "attributes")
    assert reply.outcomes[1].changed


def test_a_clone_of_a_volume_is_made_finished_and_leaves_its_snapshot_to_vanish(prepared: Path) -> None:
    made = parameters(thin=False, source={"volume": UUIDS[7]})
    hidden = f"tank/csi/pvc-1@clone-{UUIDS[0]}"
    size = "org.freebsd.storage:size\t2147483648\tlocal\n"
    reply = apply(
        prepared,
        [wanted("pvc-2", required_bytes=2 << 30, thin=False, volblocksize=4096, source={"volume": UUIDS[7]})],
        Call(READ, parent_text() + volume_text("pvc-1", UUIDS[7])),
        Call(
            f"zfs snapshot -o org.freebsd.storage:owner=demo:{GUID}"
            f" -o org.freebsd.storage:clone-for={UUIDS[0]} {hidden}"
        ),
        Call(
            "zfs clone -o volmode=dev"
            f" -o org.freebsd.storage:schema=1 -o org.freebsd.storage:uuid={UUIDS[0]}"
            f" -o org.freebsd.storage:owner=demo:{GUID} -o org.freebsd.storage:name=pvc-2"
            f" -o org.freebsd.storage:parameters={made.to_json()} -o org.freebsd.storage:hash={made.digest()}"
            f" -o org.freebsd.storage:size=2147483648 {hidden} tank/csi/pvc-2"
        ),
        Call("zfs set volsize=2147483648 refreservation=auto tank/csi/pvc-2"),
        Call(f"zfs destroy -d {hidden}"),
        Call(f"{SHOW} tank/csi/pvc-2", volume_text("pvc-2", size=2 << 30, wanted=made) + f"tank/csi/pvc-2\t{size}"),
    )
    noun = reply.outcomes[0].as_dict()["volume"]
    assert isinstance(noun, dict)
    assert (noun["size_bytes"], noun["source"]) == (2 << 30, {"volume": UUIDS[7]})
    assert reply.drift == ()


def test_a_clone_that_cannot_be_finished_is_taken_back(prepared: Path) -> None:
    full = "cannot set property for 'tank/csi/pvc-2': size is greater than available space\n"
    reply = apply(
        prepared,
        [wanted("pvc-2", thin=False, source={"snapshot": UUIDS[9]})],
        Call(READ, parent_text() + volume_text() + snapshot_text()),
        Call("zfs clone …"),
        Call("zfs set volsize=1073741824 refreservation=auto tank/csi/pvc-2", err=full, rc=1),
        Call("zfs destroy tank/csi/pvc-2"),
    )
    assert error_of(reply).code == "out_of_space"
    assert not reply.outcomes[0].changed


def test_a_deleted_volume_with_snapshots_is_moved_and_tidied_up(prepared: Path) -> None:
    deleted = f"tank/csi/trash_/{UUIDS[0]}"
    trash = "tank/csi/trash_\ttype\tfilesystem\t-\ntank/csi/trash_\torg.freebsd.storage:trash\t1\tlocal\n"
    moved = volume_text(dataset=deleted) + f"{deleted}\trefreservation\t1073741824\tlocal\n{deleted}\twritten\t1\t-\n"
    reply = apply(
        prepared,
        [unwanted()],
        Call(READ, parent_text() + volume_text() + snapshot_text()),
        Call(READ, parent_text() + volume_text() + snapshot_text()),
        Call(PGREP, "900 /usr/sbin/ctld\n"),
        Call("ctladm portlist -x", ports_text()),
        Call("ctladm devlist -x", luns_text()),
        LIMITS,
        Call(
            "zfs create -o canmount=off -o org.freebsd.storage:trash=1 tank/csi/trash_",
        ),
        Call(f"zfs rename tank/csi/pvc-1 {deleted}"),
        Call(READ.replace(f"all {PARENT}", f"all {PARENT}/trash_"), trash + moved + snapshot_text(f"{deleted}@s")),
        Call(f"zfs set refreservation=none {deleted}"),
        Call(f"zfs rollback {deleted}@s"),
    )
    assert reply.outcomes[0].as_dict() == {"key": "gone", "changed": True, "volume": None}
    assert reply.drift == ()
