"""The documents name what there is: settings, parameters, codes, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from csi_driver.config import Config, Node, StorageHost
from csi_driver.csi.status import STATUS
from csi_driver.storage.parameters import Parameters
from tests.deploy.manifests import REPOSITORY

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "roles/*/README.md", "collections/ansible_collections/*/*/README.md")
    for path in REPOSITORY.glob(pattern)
)
FIRST_CELL = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \|", re.MULTILINE)


def _first_cells(document: str) -> set[str]:
    """What the first columns of the document's tables name in code style."""
    text = (REPOSITORY / document).read_text()
    return {name for cell in FIRST_CELL.findall(text) for name in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_within_the_tree_leads_somewhere(document: Path) -> None:
    """A document that was moved takes its links along."""
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_setting_is_documented() -> None:
    """Those of the file, of a storage host and of the node."""
    documented = _first_cells("docs/configuration.md")
    expected = {"cluster", "defaults", "storage_hosts.hosts", "ansible.rung", "alpha_capabilities"}
    expected |= {"health.nearly_full_percent", "metrics.listen"}
    assert set(Config.model_fields) == {name.partition(".")[0] for name in expected} | {"node"}
    assert expected | set(StorageHost.model_fields) | {f"node.{name}" for name in Node.model_fields} <= documented


def test_every_parameter_of_a_class_is_documented() -> None:
    """Under the name it has in a StorageClass."""
    names = {field.alias or name for name, field in Parameters.model_fields.items()}
    assert names <= _first_cells("docs/configuration.md")


def test_every_error_code_is_documented_with_its_status() -> None:
    """The table in the document is the one in the code."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    table = {
        code: status
        for codes, status in re.findall(r"^\| ((?:`[a-z_]+`(?:, )?)+) \| ([A-Z_]+)", text, re.MULTILINE)
        for code in re.findall(r"`([a-z_]+)`", codes)
    }
    assert table == {code.value: status.name for code, status in STATUS.items()}


def test_every_make_target_is_explained_by_help() -> None:
    """`make help` and the Makefile agree."""
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) - {"help", "environment"}
    explained = set(re.findall(r"@echo 'make ([a-z-]+)", makefile))
    assert targets == explained
