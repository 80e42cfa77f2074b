# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""What people may ask for of what they name, and what values mean."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import items_of
from ansible_collections.freebsd.storage.plugins.module_utils._kinds.ctl_auth_group import KIND as AUTH_GROUP
from ansible_collections.freebsd.storage.plugins.module_utils._kinds.registry import KINDS, NamedWish
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import values
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import PROPERTIES
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

SECRETS = {"good": "twelve-bytes", "short": "eleven-byte", "long": "seventeen-bytes-x", "quoted": 'twelve"bytes!'}
USER = {"user": "u", "secret": "good"}
LUN = {"number": 0, "zvol": "d"}
TARGET = {"kind": "iscsi_target", "name": "iqn.2026-01.org.example:a", "auth_group": "g", "portal_groups": ["p"]}


def wish(**resource: Any) -> object:
    return items_of([{"key": "k", **resource}], SECRETS)[0].wish


GOOD: list[dict[str, Any]] = [
    {"kind": "zvol", "name": "a/b_c.d:e-f", "size": "1.5G"},
    {"kind": "zvol", "name": "d", "size": "1073741824", "properties": {"copies": 2, "readonly": False}},
    {"kind": "zfs_dataset", "name": "d", "properties": {"mountpoint": "/srv/a b"}},
    {"kind": "zfs_snapshot", "name": "d@monday"},
    {"kind": "zfs_clone", "name": "e", "snapshot": "d@monday"},
    {"kind": "iscsi_portal_group", "name": "p", "listen": ["192.0.2.1", "[2001:db8::1]:3261"]},
    {"kind": "ctl_auth_group", "name": "g", "networks": ["192.0.2.1", "2001:db8::/32"]},
    {"kind": "ctl_auth_group", "name": "g", "chap": [{"user": "u", "secret": "good"}]},
    {**TARGET, "luns": [LUN, {"number": 1023, "zvol": "e"}]},
]


@pytest.mark.parametrize("resource", GOOD, ids=str)
def test_what_is_right_is_taken_and_its_end_needs_no_more_than_a_name(resource: dict[str, Any]) -> None:
    assert isinstance(wish(**resource), NamedWish)
    assert isinstance(wish(kind=resource["kind"], name=resource["name"], state="absent"), NamedWish)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"kind": "zvol", "name": "d"}, "size"),
    ({"kind": "zvol", "name": "d", "size": "much"}, "size"),
    ({"kind": "zvol", "name": "d", "size": "0"}, "size"),
    ({"kind": "zvol", "name": "d", "size": "1.5"}, "whole"),
    ({"kind": "zvol", "name": "d", "size": "1G", "volblocksize": 1000}, "volblocksize"),
    ({"kind": "zvol", "name": "d", "size": "1G", "properties": {"mountpoint": "/"}}, "mountpoint"),
    ({"kind": "zvol", "name": "d", "size": "1G", "properties": {"sync": "a\nb"}}, "sync"),
    ({"kind": "zvol", "name": "/d", "size": "1G"}, "name"),
    ({"kind": "zvol", "name": "-r", "size": "1G"}, "name"),
    ({"kind": "zvol", "name": "../d", "size": "1G"}, "name"),
    ({"kind": "zvol", "name": "d@s", "size": "1G"}, "name"),
    ({"kind": "zvol", "name": "trash_/d", "size": "1G"}, "trash_"),
    ({"kind": "zfs_snapshot", "name": "d"}, "DATASET@SNAPSHOT"),
    ({"kind": "zfs_snapshot", "name": "d@s@t"}, "DATASET@SNAPSHOT"),
    ({"kind": "zfs_clone", "name": "e", "snapshot": "d"}, "snapshot"),
    ({"kind": "iscsi_portal_group", "name": "p", "listen": []}, "listen"),
    ({"kind": "iscsi_portal_group", "name": "p", "listen": ["host.example"]}, "listen"),
    ({"kind": "iscsi_portal_group", "name": "p", "listen": ["192.0.2.1:99999"]}, "port"),
    ({"kind": "iscsi_portal_group", "name": "p", "listen": ["192.0.2.1", "192.0.2.1:3260"]}, "once"),
    ({"kind": "iscsi_portal_group", "name": 'p" {', "listen": ["192.0.2.1"]}, "name"),
    ({"kind": "ctl_auth_group", "name": "g"}, "no-authentication"),
    ({"kind": "ctl_auth_group", "name": "g", "initiators": ['iqn.x"']}, "iSCSI name"),
    ({"kind": "ctl_auth_group", "name": "g", "networks": ["192.0.2.1/24"]}, "networks"),
    ({"kind": "ctl_auth_group", "name": "g", "chap": [{"user": "u", "secret": "none"}]}, "'none'"),
    ({"kind": "ctl_auth_group", "name": "g", "chap": [{"user": "u", "secret": "short"}]}, "12 to 16"),
    ({"kind": "ctl_auth_group", "name": "g", "chap": [{"user": "u", "secret": "long"}]}, "12 to 16"),
    ({"kind": "ctl_auth_group", "name": "g", "chap": [{"user": "u", "secret": "quoted"}]}, "12 to 16"),
    (
        {"kind": "ctl_auth_group", "name": "g", "chap": [{"user": "u", "secret": "good", "mutual_user": "t"}]},
        "each other",
    ),
    ({"kind": "ctl_auth_group", "name": "g", "chap": [USER, USER]}, "once"),
    ({**TARGET}, "luns"),
    ({**TARGET, "luns": []}, "luns"),
    ({**TARGET, "luns": [LUN, LUN]}, "once"),
    ({**TARGET, "luns": [LUN, {"number": 1, "zvol": "d"}]}, "once"),
    ({**TARGET, "luns": [{"number": 1024, "zvol": "d"}]}, "1023"),
    ({**TARGET, "luns": [{**LUN, "blocksize": 1024}]}, "blocksize"),
    ({**TARGET, "luns": [LUN], "alias": 'a"b'}, "alias"),
    ({**TARGET, "luns": [LUN], "portal_groups": ["p", "p"]}, "portal_groups"),
    ({**TARGET, "luns": [LUN], "name": "disks"}, "iSCSI name"),
    ({**TARGET, "luns": [LUN], "name": "iqn.1994-09.org.freebsd.csi:demo.x"}, "publications"),
    ({**TARGET, "luns": [LUN], "state": "gone"}, "state"),
]


@pytest.mark.parametrize(("resource", "why"), BAD, ids=str)
def test_what_is_wrong_is_refused_by_name_and_no_secret_is_told(resource: dict[str, Any], why: str) -> None:
    found = wish(**resource)
    assert isinstance(found, HostError)
    assert found.code == "invalid"
    assert why in found.msg
    assert not any(secret in found.msg for secret in SECRETS.values())


def test_secrets_are_taken_out_of_the_options_and_named() -> None:
    chap = [{"user": "u", "secret": "a", "mutual_user": "t", "mutual_secret": "b"}, {"user": "v", "secret": "c"}]
    options, secrets = AUTH_GROUP.apart({"name": "g", "chap": chap})
    assert secrets == {"chap[0].secret": "a", "chap[0].mutual_secret": "b", "chap[1].secret": "c"}
    assert [each["secret"] for each in options["chap"]] == ["chap[0].secret", "chap[1].secret"]
    assert chap[0]["secret"] == "a"


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        ("quota", ["10G", "10g", "10GB", "10GiB", "10240M", "10737418240"]),
        ("refquota", ["none", "0"]),
        ("snapshot_limit", ["none", "18446744073709551615"]),
        ("special_small_blocks", ["32K", "32768"]),
        ("compression", ["gzip", "gzip-6"]),
        ("atime", ["off", "no", "false"]),
        ("readonly", ["on", "yes", "true"]),
    ],
)
def test_the_spellings_of_a_value_are_one(name: str, spellings: list[str]) -> None:
    assert len({values.canonical(name, each) for each in spellings}) == 1


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("compression", "gzip", "gzip-9"), ("filesystem_limit", "0", "none"), ("mountpoint", "no", "off")],
)
def test_other_values_are_others(name: str, one: str, other: str) -> None:
    assert values.canonical(name, one) != values.canonical(name, other)


def test_what_strangers_may_set_people_may_too() -> None:
    assert set(PROPERTIES) <= set(values.VOLUME_PROPERTIES)


def test_every_kind_is_known_by_the_name_of_its_module() -> None:
    assert set(KINDS) == {
        *("zvol", "zfs_dataset", "zfs_snapshot", "zfs_clone"),
        *("iscsi_portal_group", "ctl_auth_group", "iscsi_target"),
    }
