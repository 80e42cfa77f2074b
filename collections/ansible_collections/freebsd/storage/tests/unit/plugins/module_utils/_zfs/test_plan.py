# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._zfs.model import Parameters, Record
from ansible_collections.freebsd.storage.plugins.module_utils._zfs.sizes import grown_size, size_of
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import parameters, record

GIB = 1 << 30


@pytest.mark.parametrize(
    ("required", "limit", "size"),
    [
        (GIB, 0, GIB),
        (GIB, GIB, GIB),
        (1, 0, 16384),
        (GIB + 1, 0, GIB + 16384),
        (GIB + 1, GIB + 16384, GIB + 16384),
        (0, 0, GIB),
        (0, 2 * GIB, GIB),
        (0, GIB - 1, GIB - 16384),
        ((1 << 63) - 16384, 0, (1 << 63) - 16384),
    ],
)
def test_sizes(required: int, limit: int, size: int) -> None:
    assert size_of(required, limit, 16384) == size


@pytest.mark.parametrize(
    ("required", "limit", "option"),
    [
        (GIB + 1, GIB + 1, "limit_bytes"),
        (1, 16383, "limit_bytes"),
        (0, 16383, "limit_bytes"),
        (1 << 63, 0, "required_bytes"),
    ],
)
def test_sizes_that_cannot_be(required: int, limit: int, option: str) -> None:
    with pytest.raises(HostError) as caught:
        size_of(required, limit, 16384)
    assert (caught.value.code, caught.value.option) == ("out_of_range", option)


def test_parameters_come_back_and_their_hash_does_not_depend_on_order() -> None:
    first = parameters(attributes={"b": "ü", "a": "1"})
    assert Parameters.from_json(first.to_json()) == first
    assert first.to_json().isascii()
    assert first.digest() == parameters(attributes={"a": "1", "b": "ü"}).digest()
    assert first.digest() != parameters().digest()


def test_records_come_back() -> None:
    for each in (record(), record(readonly=True), record(leaving=True)):
        assert Record.from_json(each.to_json()) == each
    assert "leaving" not in record().to_json()


@pytest.mark.parametrize(
    "change", [{"volblocksize": True}, {"thin": 1}, {"properties": {"a": 1}}, {"extra": 1}, {"attributes": []}]
)
def test_parameters_of_the_wrong_type_are_refused(change: dict[str, Any]) -> None:
    import json

    with pytest.raises(ValueError, match=r"\w"):
        Parameters.from_json(json.dumps({**json.loads(parameters().to_json()), **change}))


@pytest.mark.parametrize(
    ("required", "limit", "size"),
    [(2 * GIB, 0, 2 * GIB), (GIB + 1, 0, GIB + 16384), (1, 0, GIB), (0, GIB, GIB), (2 * GIB, 2 * GIB, 2 * GIB)],
)
def test_a_volume_grows_to_what_is_required_and_never_shrinks(required: int, limit: int, size: int) -> None:
    assert grown_size(GIB, required, limit, 16384) == size


@pytest.mark.parametrize(("required", "limit"), [(1, GIB - 1), (GIB + 1, GIB + 1), (1 << 63, 0)])
def test_sizes_to_which_a_volume_cannot_grow(required: int, limit: int) -> None:
    with pytest.raises(HostError) as caught:
        grown_size(GIB, required, limit, 16384)
    assert caught.value.code == "out_of_range"
