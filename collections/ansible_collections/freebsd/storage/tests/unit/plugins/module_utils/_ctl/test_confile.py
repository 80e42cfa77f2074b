# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The two files of ctld's configuration: read, staged for a test, and swapped in an order that survives a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import confile
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.conf import Draft, Place, owner_place
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.ucl import include
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "ctl.conf"
    path.write_text("# mine\n")
    path.chmod(0o640)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return owner_place(str(tmp_path), "demo")


def test_what_is_not_there_yet_reads_as_such(main: Path, place: Place) -> None:
    assert confile.read(str(main), place).draft == Draft("# mine\n", None)
    main.unlink()
    assert confile.read(str(main), place, create=True).draft == Draft("", None)
    with pytest.raises(HostError) as caught:
        confile.read(str(main), place)
    assert "does not exist" in caught.value.msg


def test_a_staged_ctl_conf_includes_the_staged_file_and_both_are_private(main: Path, place: Place) -> None:
    files = confile.read(str(main), place)
    confile.stage(files, Draft(f"# mine\n{include(place.file)}", "new\n"))
    staged, own = Path(files.staged), Path(place.staged)
    assert staged.read_text() == f"# mine\n{include(place.staged)}"
    assert own.read_text() == "new\n"
    assert [path.stat().st_mode & 0o777 for path in (staged, own, own.parent)] == [0o600, 0o600, 0o700]
    assert main.read_text() == "# mine\n"
    assert not own.match("*.conf"), "a glob would include it"
    confile.discard(files)
    assert not staged.exists()
    assert not own.exists()


def test_a_new_file_is_there_before_it_is_included(main: Path, place: Place) -> None:
    files = confile.read(str(main), place)
    main.write_text("# edited\n")
    assert not confile.swap(files, Draft(include(place.file), "new\n"))
    assert main.read_text() == "# edited\n"
    assert Path(place.file).read_text() == "new\n"
    files = confile.read(str(main), place)
    assert confile.swap(files, Draft(include(place.file), "new\n"))
    assert main.read_text() == include(place.file)
    assert main.stat().st_mode & 0o777 == 0o640
    assert Path(place.file).stat().st_mode & 0o777 == 0o600


def test_an_old_file_goes_after_what_takes_its_place(main: Path, place: Place) -> None:
    files = confile.read(str(main), place)
    confile.swap(files, Draft(include(place.file), "old\n"))
    files = confile.read(str(main), place)
    main.write_text("# edited\n")
    assert not confile.swap(files, Draft("classic\n", None))
    assert Path(place.file).read_text() == "old\n"
    assert confile.swap(confile.read(str(main), place), Draft("classic\n", None))
    assert main.read_text() == "classic\n"
    assert not Path(place.file).exists()


def test_the_parts_of_others_are_those_that_ctld_may_include(main: Path, place: Place) -> None:
    files = confile.read(str(main), place)
    assert confile.parts_of_others(files) == ""
    confile.swap(files, Draft("# mine\n", "ours\n"))
    Path(place.file).with_name("other.conf").write_text("theirs\n")
    Path(place.file).with_name(".other.conf.staged").write_text("not yet\n")
    assert confile.parts_of_others(files) == "theirs\n"
