# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""A job that nobody waits for holds its file's lock as long as one of its commands runs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Optional

from ansible_collections.freebsd.storage.plugins.module_utils._apply import jobfile
from ansible_collections.freebsd.storage.plugins.module_utils._apply.jobfile import JobFile
from ansible_collections.freebsd.storage.plugins.module_utils.command import SystemCommands

COUNT = [sys.executable, "-c", "import sys; print(len(sys.stdin.read()), file=sys.stderr)"]


def left(path: Path, *pipeline: list[str]) -> None:
    job = jobfile.seize(path, 5)
    job.clear()
    SystemCommands(time.monotonic() + 5).leave(pipeline, job.descriptor)
    job.close()


def ended(path: Path) -> JobFile:
    job: Optional[JobFile] = None
    end = time.monotonic() + 10
    while job is None and time.monotonic() < end:
        job = jobfile.claim(path)
        time.sleep(0.01)
    assert job is not None
    return job


def test_what_the_commands_said_is_read_when_the_last_of_them_has_ended(tmp_path: Path) -> None:
    path = jobfile.path_of(str(tmp_path), "0" * 32)
    left(path, [sys.executable, "-c", "import time; print('x' * 99999); time.sleep(0.3)"], COUNT)
    assert jobfile.claim(path) is None
    job = ended(path)
    assert job.said == "100000\n"
    job.clear()
    job.remove()
    job.close()
    assert not path.exists()


def test_a_job_can_be_killed_with_all_its_commands(tmp_path: Path) -> None:
    path = jobfile.path_of(str(tmp_path), "0" * 32)
    left(path, ["sleep", "60"], COUNT)
    assert jobfile.claim(path) is None
    job = jobfile.seize(path, 10)
    assert job.said == ""
    job.close()


def test_a_command_that_cannot_be_started_is_told_of(tmp_path: Path) -> None:
    path = jobfile.path_of(str(tmp_path), "0" * 32)
    left(path, ["no-such-command"], COUNT)
    job = ended(path)
    assert "no-such-command is not in the PATH" in job.said
    job.close()
