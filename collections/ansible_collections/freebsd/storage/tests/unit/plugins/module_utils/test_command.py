# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

import pytest

from ansible_collections.freebsd.storage.plugins.module_utils import _settings, command
from ansible_collections.freebsd.storage.plugins.module_utils.command import SystemCommands
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from ansible_collections.freebsd.storage.tests.unit.plugins.module_utils.fakes import FakeClock, settings


def commands(seconds: float = 10) -> SystemCommands:
    return SystemCommands(time.monotonic() + seconds)


def test_a_command_is_a_list_of_arguments_in_the_c_locale() -> None:
    runner = commands()
    done = runner.run(["sh", "-c", 'printf "%s %s" "$LC_ALL" "$1"; echo bad >&2; exit 3', "x", "$(id); *"])
    assert (done.out, done.err, done.rc, done.late) == ("C $(id); *", "bad\n", 3, False)
    assert runner.count == 1


def test_a_command_has_no_standard_input_unless_it_is_given_one() -> None:
    assert commands().run(["cat"]).out == ""
    assert commands().run(["cat"], b"text").out == "text"


def test_output_that_is_not_utf8_is_kept_readable() -> None:
    assert commands().run(["printf", r"a\377b"]).out == r"a\xffb"


def test_many_commands_run_side_by_side_and_answer_in_order() -> None:
    start = time.monotonic()
    done = commands().run_all([["sh", "-c", f"sleep 0.2; echo {number}"] for number in range(20)])
    assert [each.out for each in done] == [f"{number}\n" for number in range(20)]
    assert time.monotonic() - start < 2


def test_more_output_than_a_pipe_holds_stops_nobody() -> None:
    done = commands().run_all([["head", "-c", "300000", "/dev/zero"]] * 40)
    assert {len(each.out) for each in done} == {300000}


def test_at_the_deadline_a_command_is_killed_and_its_effect_is_unknown() -> None:
    done = commands(0.1).run(["sleep", "60"])
    assert done.late


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(HostError) as caught:
        commands().run(["no-such-command"])
    assert caught.value.code == "degraded"
    assert "no-such-command" in caught.value.msg


def test_among_many_a_command_that_cannot_be_started_stops_no_other() -> None:
    good, bad, last = commands().run_all([["true"], ["no-such-command"], ["true"]])
    assert (good.rc, last.rc) == (0, 0)
    assert bad.unstarted is not None


def test_while_there_is_no_room_for_a_process_the_earlier_ones_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real, refusals = command.subprocess.Popen, iter([False, True, False, False])

    def crowded(*arguments: object, **options: object) -> object:
        if next(refusals):
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(command.subprocess, "Popen", crowded)
    assert [each.rc for each in commands().run_all([["true"]] * 3)] == [0, 0, 0]


def test_the_lock_is_held_by_the_commands_of_a_run_that_is_gone(tmp_path: Path) -> None:
    runner = commands()
    with _settings.locked(str(tmp_path), 0) as descriptor:
        runner.hold(descriptor)
        running = runner.start(["sleep", "0.3"])
    with pytest.raises(HostError) as caught, _settings.locked(str(tmp_path), 0):
        pass
    assert caught.value.code == "busy"
    running.wait()
    with _settings.locked(str(tmp_path), 0):
        pass


def test_the_lock_is_waited_for(tmp_path: Path) -> None:
    clock = FakeClock()
    holder = os.open(tmp_path / "lock", os.O_RDONLY | os.O_CREAT, 0o600)
    fcntl.flock(holder, fcntl.LOCK_EX)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.time > 1001:
            fcntl.flock(holder, fcntl.LOCK_UN)

    with _settings.locked(str(tmp_path), 5, now=clock.now, sleep=sleep):
        assert 1 < clock.time - 1000 < 1.2
    os.close(holder)


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"'])
def test_a_registry_that_cannot_be_read_is_degraded(tmp_path: Path, text: str) -> None:
    (tmp_path / "parents.json").write_text(text)
    with pytest.raises(HostError) as caught:
        _settings.parents(str(tmp_path))
    assert caught.value.code == "degraded"


def test_the_registered_parent_is_accepted(tmp_path: Path) -> None:
    settings(tmp_path)
    _settings.check_parent(str(tmp_path), "tank/csi", "1234567890123456789")


def test_a_command_is_spoken_to_line_by_line() -> None:
    dialogue = commands().converse(["cat"])
    for line in ("one", "two" * 50000):
        dialogue.say(line)
        assert dialogue.hear() == line
    done = dialogue.end()
    assert (done.rc, done.late) == (0, False)
    assert dialogue.hear() is None


def test_a_command_that_ended_is_heard_no_more() -> None:
    dialogue = commands().converse(["sh", "-c", "echo no >&2; exit 3"])
    assert dialogue.hear() is None
    dialogue.say("is anybody there?")
    done = dialogue.end()
    assert (done.rc, done.err) == (3, "no\n")


def test_a_command_that_says_nothing_is_left_alone_at_the_deadline() -> None:
    dialogue = commands(0.05).converse(["sh", "-c", "exec sleep 0.5"])
    assert dialogue.hear() is None
    assert dialogue.end().late
    dialogue._popen.wait()  # or pytest minds
