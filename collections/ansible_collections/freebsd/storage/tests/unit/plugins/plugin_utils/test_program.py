# Copyright (c) 2026 The freebsd.storage authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program as one file."""

from __future__ import annotations

import ast
import json
import os
import subprocess  # noqa: TID251 - it is a program that is tested
import sys
import zipfile
from pathlib import Path

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils._ctl.wire import PROTOCOL
from ansible_collections.freebsd.storage.plugins.plugin_utils._program import PACKAGE, Settings, build


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program, installed with a caller."""
    folder = tmp_path / "settings"
    folder.mkdir(0o755)
    callers = {"csi": {"owners": ["demo"], "parents": ["tank/csi"], "portal_groups": ["csi"]}}
    (folder / "callers.json").write_text(json.dumps(callers))
    path = tmp_path / "program"
    path.write_bytes(build(Settings(sys.executable, str(folder), "SUDO_USER", "/nowhere")))
    path.chmod(0o755)
    return path


def test_the_same_sources_make_the_same_bytes() -> None:
    settings = Settings("/usr/local/bin/python3.11", "/usr/local/etc/freebsd-storage", "DOAS_USER", "/bin")
    assert build(settings) == build(settings)
    assert build(settings).startswith(b"#!/usr/local/bin/python3.11 -I\nPK")


def test_it_imports_itself_and_the_standard_library(program: Path) -> None:
    with zipfile.ZipFile(program) as archive:
        for name in archive.namelist():
            for node in ast.walk(ast.parse(archive.read(name))):
                named = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                named += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                tops = {each.partition(".")[0] for each in named}
                assert tops <= sys.stdlib_module_names | {PACKAGE}, name


def test_it_runs_isolated(program: Path, tmp_path: Path) -> None:
    """Neither the caller's environment nor his directory has a say in what is imported."""
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "/x", "SUDO_USER": "csi"}
    request = json.dumps({"do": "observe", "owner": "demo", "seconds": 5}) + "\n"
    done = subprocess.run(
        [program], check=False, input=request, capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    greeting, answer = (json.loads(line) for line in done.stdout.splitlines())
    assert greeting == {"protocol": PROTOCOL}
    assert "/nowhere" in answer["error"]["msg"]
    assert done.stderr == ""


def test_another_variable_than_that_of_its_tool_names_nobody(program: Path) -> None:
    environment = {**os.environ, "DOAS_USER": "csi"}
    environment.pop("SUDO_USER", None)
    done = subprocess.run([program], check=False, input="", capture_output=True, text=True, env=environment)
    assert json.loads(done.stdout)["error"]["code"] == "denied"
    assert done.returncode == 1
