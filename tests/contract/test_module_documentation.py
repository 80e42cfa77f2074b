"""Every module can be read by ansible-doc, and belongs to the action group of all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

COLLECTION = Path(__file__).resolve().parents[2] / "collections/ansible_collections/freebsd/storage"
MODULES = sorted((COLLECTION / "plugins" / "modules").glob("*.py"))
TEXTS = ("DOCUMENTATION", "EXAMPLES", "RETURN")


def texts(module: Path) -> dict[str, str]:
    """The literal texts that a module assigns."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in assigned if node.targets[0].id in TEXTS}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_the_texts_of_a_module_are_yaml_and_name_it(module: Path) -> None:
    found = {name: yaml.safe_load(text) for name, text in texts(module).items()}
    assert sorted(found) == sorted(TEXTS)
    assert found["DOCUMENTATION"]["module"] == module.stem


def test_the_action_group_all_has_every_module() -> None:
    runtime = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["action_groups"]["all"] == [module.stem for module in MODULES]
