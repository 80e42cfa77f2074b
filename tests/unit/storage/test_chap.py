"""CHAP entries of a Secret: whole, usable and as meant, or refused by name; and never shown."""

from __future__ import annotations

import pytest

from csi_driver.errors import DriverError, ErrorCode
from csi_driver.storage import chap
from csi_driver.storage.model import Chap, ChapKind
from csi_driver.storage.parameters import parse

FIRST, SECOND = "first/secret+1=", "second~secret!"
ONE_WAY = {chap.USER: "node", chap.SECRET: FIRST}
MUTUAL = {**ONE_WAY, chap.MUTUAL_USER: "host", chap.MUTUAL_SECRET: SECOND}


def test_what_the_entries_mean() -> None:
    """Others are none of ours, and a line end is none of a value."""
    assert chap.given({"encryptionKey": "x"}) is None
    assert chap.given({**ONE_WAY, "other": "x"}) == Chap("node", FIRST)
    assert chap.given({key: f"{value}\n" for key, value in MUTUAL.items()}) == Chap("node", FIRST, "host", SECOND)


def test_its_kind_follows_from_what_is_there() -> None:
    """And nothing shows the secrets."""
    one_way, mutual = Chap("node", FIRST), Chap("node", FIRST, "host", SECOND)
    assert (one_way.kind, mutual.kind) == (ChapKind.ONE_WAY, ChapKind.MUTUAL)
    assert FIRST not in f"{mutual!r}"
    assert SECOND not in f"{mutual!r}"


BAD = [
    ({chap.USER: "node"}, chap.SECRET),
    ({chap.SECRET: FIRST}, chap.USER),
    ({**ONE_WAY, chap.USER: ""}, chap.USER),
    ({**ONE_WAY, chap.SECRET: "\n"}, chap.SECRET),
    ({**ONE_WAY, chap.USER: "no de"}, chap.USER),
    ({**ONE_WAY, chap.USER: "n" * 224}, chap.USER),
    ({**ONE_WAY, chap.SECRET: "s" * 11}, chap.SECRET),
    ({**ONE_WAY, chap.SECRET: "s" * 17}, chap.SECRET),
    *(({**ONE_WAY, chap.SECRET: f"first{mark}secret"}, chap.SECRET) for mark in '"<>&$\\ \t\n\x7fé'),
    ({**ONE_WAY, chap.MUTUAL_USER: "host"}, chap.MUTUAL_SECRET),
    ({**ONE_WAY, chap.MUTUAL_SECRET: SECOND}, chap.MUTUAL_USER),
    ({**MUTUAL, chap.MUTUAL_USER: ""}, chap.MUTUAL_USER),
    ({**MUTUAL, chap.MUTUAL_SECRET: FIRST}, chap.MUTUAL_SECRET),
    ({**MUTUAL, chap.MUTUAL_SECRET: "short"}, chap.MUTUAL_SECRET),
    ({chap.MUTUAL_USER: "host", chap.MUTUAL_SECRET: SECOND}, chap.USER),
]


@pytest.mark.parametrize(("secrets", "entry"), BAD)
def test_what_is_not_whole_or_cannot_be_used_is_refused_by_its_entry(secrets: dict[str, str], entry: str) -> None:
    """Without its value, whatever that is."""
    with pytest.raises(DriverError) as caught:
        chap.given(secrets)
    assert (caught.value.code, caught.value.option) == (ErrorCode.INVALID, f"secrets.{entry}")
    assert entry in caught.value.message
    assert not any(
        value in caught.value.message for key, value in secrets.items() if "password" in key and len(value) > 1
    )


def test_a_node_wants_exactly_what_the_volume_is_published_with() -> None:
    """Less would fail later, and more would be believed to be proven."""
    one_way, mutual = chap.given(ONE_WAY), chap.given(MUTUAL)
    assert chap.check(ChapKind.NONE, one_way) is None
    assert chap.check(ChapKind.ONE_WAY, one_way) is one_way
    assert chap.check(ChapKind.MUTUAL, mutual) is mutual
    for kind, given in ((ChapKind.ONE_WAY, None), (ChapKind.ONE_WAY, mutual), (ChapKind.MUTUAL, one_way)):
        with pytest.raises(DriverError, match="node-stage-secret-name") as caught:
            chap.check(kind, given)
        assert caught.value.code is ErrorCode.INVALID


def test_a_storage_hosts_refusal_is_told_in_the_words_of_a_class() -> None:
    """Other errors stay as they are."""
    refused = DriverError(ErrorCode.INVALID, "chap: no user and secret are given", option="chap")
    assert "controller-publish-secret-name" in chap.explained(refused, None).message
    assert "'none'" in chap.explained(refused, Chap("node", FIRST)).message
    other = DriverError(ErrorCode.INVALID, "mode", option="mode")
    assert chap.explained(other, None) is other


def test_a_class_says_how_nodes_log_in() -> None:
    """Nothing is something else than none: that is a wish."""
    assert parse({}, {}).spec.chap is None
    for kind in ChapKind:
        assert parse({"chap": kind.value}, {}).spec.chap is kind
    with pytest.raises(DriverError, match="'none', 'one-way' or 'mutual'") as caught:
        parse({"chap": "CHAP"}, {})
    assert caught.value.option == "parameters.chap"
