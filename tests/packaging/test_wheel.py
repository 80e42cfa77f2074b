"""What the wheel holds, and that it needs nothing but its lock."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from tests.packaging.conftest import REPOSITORY, run

if TYPE_CHECKING:
    from pathlib import Path

DATA = "csi_driver/_data"


def test_playbooks_and_collection_are_in_the_wheel(wheel: Path) -> None:
    """Every file of them that the tree holds, and no leftovers of running it."""
    names = set(zipfile.ZipFile(wheel).namelist())
    collection = REPOSITORY / "collections" / "ansible_collections" / "freebsd" / "storage"
    plugins = [path for path in (collection / "plugins").rglob("*.py") if "__pycache__" not in path.parts]
    assert plugins
    for path in (*plugins, *(REPOSITORY / "playbooks").glob("*.yml")):
        assert f"{DATA}/{path.relative_to(REPOSITORY)}" in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_tests_are_not_in_the_wheel(wheel: Path) -> None:
    """Only the driver and its data are installed."""
    top = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"csi_driver"}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "/tests/" in name]


def test_the_licences_are_in_the_wheel(wheel: Path) -> None:
    """The driver's, and the one of the collection's modules."""
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith("/licenses/LICENSE")]
    assert [name for name in names if name.endswith("/storage/COPYING")]


def test_the_lock_names_everything_the_driver_needs(installed: Path, outside: Path) -> None:
    """Nothing is missing and nothing conflicts."""
    run(installed / "python", "-m", "pip", "check", cwd=outside)
