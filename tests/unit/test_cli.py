"""The command line: what it prints, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from csi_driver.cli import MISCONFIGURED, main
from tests.unit.storage.test_placement import KEY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A good configuration."""
    host = {
        "ansible_host": "192.0.2.10",
        "ansible_user": "csi",
        "ansible_ssh_private_key_file": str(tmp_path / "key"),
        "host_key": KEY,
        "parent": "tank/csi",
        "portals": ["192.0.2.10:3260"],
    }
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump({"cluster": "demo", "storage_hosts": {"hosts": {"nas1": host}}}))
    return path


def test_check_config_tells_what_was_understood_and_warns(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that cannot be read is a warning: it may be mounted later."""
    assert main(["check-config", "--config", str(config)]) == 0
    printed = capsys.readouterr().out
    assert "storage host nas1: csi@192.0.2.10:22, parent tank/csi, portals 192.0.2.10:3260" in printed
    assert "warning: storage_hosts.hosts.nas1.ansible_ssh_private_key_file" in printed


def test_every_problem_is_told_on_a_line_of_its_own(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is 2, and each line names the field."""
    document = yaml.safe_load(config.read_text())
    document["cluster"] = "Demo!"
    document["storage_hosts"]["hosts"]["nas1"]["portals"] = ["192.0.2.10"]
    config.write_text(yaml.safe_dump(document))
    assert main(["check-config", "--config", str(config)]) == MISCONFIGURED
    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 2
    assert problems[0].startswith("csi-driver: cluster: ")
    assert problems[1].startswith("csi-driver: storage_hosts.hosts.nas1.portals.0: ")


def test_defaults_that_no_volume_could_have_are_found_before_anything_starts(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typo in the defaults would fail every volume."""
    document = yaml.safe_load(config.read_text()) | {"defaults": {"compresion": "lz4"}}
    config.write_text(yaml.safe_dump(document))
    for command in ("check-config", "controller"):
        assert main([command, "--config", str(config)]) == MISCONFIGURED
        assert "'compresion'" in capsys.readouterr().err


def test_a_controller_without_a_storage_host_does_not_start(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It could do nothing."""
    config.write_text("cluster: demo\n")
    assert main(["controller", "--config", str(config)]) == MISCONFIGURED
    assert "storage_hosts.hosts" in capsys.readouterr().err


def test_inventory_and_paths_can_be_given_to_ansible(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people's own playbooks."""
    assert main(["inventory", "--config", str(config)]) == 0
    assert "storage_hosts:" in capsys.readouterr().out
    assert main(["paths"]) == 0
    assert "collections: " in capsys.readouterr().out
