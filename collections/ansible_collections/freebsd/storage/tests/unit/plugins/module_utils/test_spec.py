# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._apply.spec import Item, items_of
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.plan import PublicationUnwanted, PublicationWanted
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.plan import VolumeWanted
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

VOLUME = {"key": "k", "kind": "volume", "name": "pvc-1"}
PUBLICATION = {"key": "k", "kind": "publication", "volume": "u", "node": "n1", "initiator": "iqn.2025-01.x:n1"}


def item(**options: Any) -> Item:
    return items_of([options])[0]


def test_a_volume_has_defaults() -> None:
    wish = item(**VOLUME).wish
    assert isinstance(wish, VolumeWanted)
    assert wish.parameters._asdict() == {
        "volblocksize": 16384,
        "thin": True,
        "blocksize": 512,
        "properties": {},
        "attributes": {},
        "source": None,
        "encryption": None,
        "clone_mode": "clone",
        "chap": None,
    }
    assert (wish.required_bytes, wish.limit_bytes) == (0, 0)


def test_a_publication_has_defaults() -> None:
    assert item(**PUBLICATION).wish == PublicationWanted(
        "u", "n1", "iqn.2025-01.x:n1", "single_node_writer", readonly=False, protocol="iscsi", portal_group="csi"
    )
    assert item(key="k", kind="publication", state="absent", volume="u").wish == PublicationUnwanted("u", None)


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 129}, "name"),
        ({"name": "ü" * 65}, "name"),
        ({"name": "\ud800"}, "name"),
        ({"required_bytes": -1}, "required_bytes"),
        ({"limit_bytes": -1}, "limit_bytes"),
        ({"required_bytes": 2, "limit_bytes": 1}, "limit_bytes"),
        ({"volblocksize": 12288}, "volblocksize"),
        ({"volblocksize": 256}, "volblocksize"),
        ({"volblocksize": 512, "blocksize": 4096}, "volblocksize"),
        ({"properties": {"mountpoint": "/etc"}}, "properties"),
        ({"properties": {"compression": "on -o x=y"}}, "properties"),
        ({"properties": {"compression": 1}}, "properties"),
        ({"attributes": {"a": 1}}, "attributes"),
        ({"attributes": {"a": "x" * 9000}}, "attributes"),
    ],
)
def test_a_volume_that_makes_no_sense_is_refused(change: dict[str, Any], option: str) -> None:
    wish = item(**{**VOLUME, **change}).wish
    assert isinstance(wish, HostError)
    assert (wish.code, wish.option) == ("invalid", option)


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"initiator": 'iqn.x" }'}, "initiator"),
        ({"initiator": "iqn.2025-01.x:" + "n" * 220}, "initiator"),
        ({"portal_group": 'a" b'}, "portal_group"),
        ({"node": ""}, "node"),
        ({"node": "a b"}, "node"),
        ({"node": "n" * 193}, "node"),
    ],
)
def test_a_publication_that_makes_no_sense_is_refused(change: dict[str, Any], option: str) -> None:
    wish = item(**{**PUBLICATION, **change}).wish
    assert isinstance(wish, HostError)
    assert (wish.code, wish.option) == ("invalid", option)


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"key": "k"},
        {"key": "k", "kind": "nosuch"},
        {"key": "k", "kind": ["volume"]},
        {"key": "k", "kind": "volume", "state": "gone"},
        {"key": "k", "kind": "volume"},
        {**VOLUME, "nosuch": 1},
        {**VOLUME, "blocksize": 1024},
        {**VOLUME, "required_bytes": "many"},
        {**VOLUME, "thin": "perhaps"},
        {**VOLUME, "properties": "x"},
        {**PUBLICATION, "mode": "any"},
        {**PUBLICATION, "protocol": "nfs"},
        {"key": "k", "kind": "publication", "volume": "u"},
    ],
)
def test_a_wrong_item_is_an_error_of_its_own(resource: dict[str, Any]) -> None:
    bad, good = items_of([resource, VOLUME])
    assert isinstance(bad.wish, HostError)
    assert bad.wish.code == "invalid"
    assert isinstance(good.wish, VolumeWanted)


def test_a_template_is_text_like_any_other() -> None:
    name = "{{ lookup('pipe', 'touch /tmp/x') }}"
    wish = item(**{**VOLUME, "name": name, "attributes": {"a": name}}).wish
    assert isinstance(wish, VolumeWanted)
    assert wish.name == name
    assert wish.parameters.attributes == {"a": name}
