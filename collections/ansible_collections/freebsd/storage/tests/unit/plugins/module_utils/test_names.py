# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _names


@pytest.mark.parametrize(
    ("name", "leaf"),
    [
        ("pvc-1", "pvc-1"),
        ("A.b-C", "A.b-C"),
        ("x" * 63, "x" * 63),
        ("x" * 64, f"{'x' * 40}_7ce100971f64"),
        ("", "v_e3b0c44298fc"),
        ("..", "v_5ec1f7e700f3"),
        ("a/b@c", "a-b-c_fdd11077ff89"),
        ("a_b", "a-b_648fa9b31bc7"),
        ("💾", "v_b914152496e0"),
        ("$(reboot)\n", "reboot-_eaf812f6074a"),
        ("-rf", "rf_686c39acd632"),
        ("trash_", "trash-_c12b55846fb9"),
    ],
)
def test_a_leaf_is_readable_and_safe(name: str, leaf: str) -> None:
    made = _names.leaf_of(name)
    assert made == leaf
    assert all(character.isascii() and (character.isalnum() or character in ".-_") for character in made)
    assert made[0].isalnum()
    assert len(made) <= 63


def test_two_names_never_share_a_leaf() -> None:
    names = ["a b", "a/b", "a-b", "A-b", "a_b", "a-b_", _names.leaf_of("a b")]
    assert len({_names.leaf_of(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["plain", "ü\t\n%41", "a" * 128, "{{ lookup('pipe','x') }}", "💾"])
def test_an_encoded_name_is_ascii_and_comes_back(name: str) -> None:
    text = _names.encoded(name)
    assert text.isascii()
    assert not set(text) & set(" \t\n{}'\"=,@/")
    assert _names.decoded(text) == name


def test_derived_names() -> None:
    uuid = "3c1f0f3f9d0e4b51a2a7b8a8e5a3b1c2"
    token = "5f0c6f1f4e9c4a4fa8f2c2ad6c0c55aa"
    assert _names.target_of("demo", token) == f"iqn.1994-09.org.freebsd.csi:demo.{token}"
    assert _names.lun_of("demo", uuid) == f"demo:{uuid}"
    assert _names.serial_of(uuid) == "3c1f0f3f9d0e4b51"
    assert _names.naa_of(uuid) == "0x6589cfc3c1f0f3f9d0e4b51a2a7b8a8e"
    assert _names.publication_property("n1") == "org.freebsd.storage:publication.676b8bb84ce7"
    assert _names.masked_target(_names.target_of("demo", token)) == "iqn.1994-09.org.freebsd.csi:demo.********"


@pytest.mark.parametrize(
    ("owner", "good"),
    [("demo", True), ("a", True), ("a-1", True), ("-a", False), ("A", False), ("a.b", False), ("a" * 33, False)],
)
def test_owners(owner: str, good: bool) -> None:
    assert bool(_names.OWNER.fullmatch(owner)) is good


@pytest.mark.parametrize(
    ("parent", "good"),
    [
        ("tank", True),
        ("tank/csi", True),
        ("tank/my csi_1", True),
        ("1tank", False),
        ("tank/", False),
        ("/tank", False),
        ("tank@x", False),
        ('tank/"x', False),
        ("tank\n", False),
        ("-o", False),
    ],
)
def test_parents(parent: str, good: bool) -> None:
    assert bool(_names.PARENT.fullmatch(parent)) is good
