"""Where what was built or fetched is kept: outside the tree, one folder for each use and version."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory(*parts: str) -> Path:
    """A folder below `${XDG_CACHE_HOME:-~/.cache}/csi-freebsd`, made if it is not there."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root.joinpath("csi-freebsd", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
