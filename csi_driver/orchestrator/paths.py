"""Where the playbooks and the collection are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Content:
    """The directories that Ansible is pointed at."""

    playbooks: Path
    collections: Path


def content() -> Content:
    """Return the directories that belong to the running driver."""
    installed = PACKAGE / "_data"
    root = installed if installed.is_dir() else PACKAGE.parent
    return Content(playbooks=root / "playbooks", collections=root / "collections")
