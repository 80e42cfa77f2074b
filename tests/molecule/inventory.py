"""
Write the inventory of a simulated host, beside the host's own files.

    python -m tests.molecule.inventory ROOT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.playbooks.play import write_inventory
from tests.playbooks.role import role_variables


def main() -> int:
    """Write `ROOT/inventory.json`: how the host is reached, and what the role and the modules have to know of it."""
    root = Path(sys.argv[1])
    info = json.loads((root / "host.json").read_text(encoding="utf-8"))
    variables = {
        **role_variables(info),
        "storage_root": str(root),
        "storage_parent": info["parent"],
        "storage_settings_dir": info["settings_dir"],
    }
    write_inventory(info, root, variables)
    return 0


if __name__ == "__main__":
    sys.exit(main())
