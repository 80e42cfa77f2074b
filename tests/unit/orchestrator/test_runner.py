"""The runner's promises on every rung, through real runs of a throw-away module on this machine."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from csi_driver.orchestrator import paths
from csi_driver.orchestrator.runner import BARREN_STARTS, HostUnreachable, RunDied, WorkerRunner
from csi_driver.orchestrator.worker_process import MARK
from tests.unit.orchestrator.collection import HOST, LOST, inventory, overlay

SECRET = "hunter2-and-more"
TEMPLATES = (
    "{{ lookup('pipe', 'touch %s') }}",
    "{%% set _ = lookup('pipe', 'touch %s') %%}",
    "{# a comment #} %s",
    "!unsafe %s",
    "$(touch %s)",
)


@pytest.fixture(scope="module")
def run_root() -> Iterator[Path]:
    """A directory with a path short enough for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module", params=["standby", "forked", "plain"])
def runner(
    request: pytest.FixtureRequest, run_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerRunner]:
    runner = start(overlay(tmp_path_factory.mktemp("content")), run_root, request.param)
    assert runner.run("info", HOST, {}, time_limit=60)["results"] == []
    assert runner.rung == request.param
    yield runner
    runner.close()


def start(content: paths.Content, run_root: Path, rung: str) -> WorkerRunner:
    return WorkerRunner(inventory, hosts=[HOST], content=content, run_root=run_root, rung=rung)


def environments() -> dict[int, bytes]:
    """Return the environment of every process that runs."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found[int(process.name)] = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
    return found


def marked(run_root: Path) -> list[int]:
    """Return the processes that workers below `run_root` have started."""
    return [pid for pid, text in environments().items() if f"{MARK}={run_root}".encode() in text]


def test_a_request_reaches_the_module_unchanged_and_untemplated(runner: WorkerRunner, tmp_path: Path) -> None:
    """What looks like a template in a request is data: it is neither evaluated nor altered."""
    made = tmp_path / "made"
    names = [template % made for template in TEMPLATES]
    resources = [{"key": name, "name": name, name: {"deep": [name]}} for name in names]
    result = runner.run("apply", HOST, {"resources": resources, "parent": names[0]}, time_limit=60)
    assert result["results"] == resources
    assert not made.exists()


def test_the_result_holds_no_echo_of_the_input(runner: WorkerRunner) -> None:
    """`invocation` and Ansible's own keys are left out."""
    result = runner.run("apply", HOST, {"secrets": {"chap": SECRET}}, time_limit=60)
    assert "invocation" not in result
    assert not any(key.startswith("_") for key in result)
    assert SECRET not in str(result)


def test_a_failed_task_has_a_result_with_its_error(runner: WorkerRunner) -> None:
    """A module that says what went wrong is an answer like any other."""
    result = runner.run("info", HOST, {"owner": "fails"}, time_limit=60)
    assert result["failed"] is True
    assert result["error"] == {"code": "invalid", "msg": "no"}


def test_a_module_that_crashes_is_a_run_that_died_and_tells_no_secret(runner: WorkerRunner) -> None:
    """Nobody knows what a crashed module did; its last words may quote the request."""
    with pytest.raises(RunDied) as caught:
        runner.run("apply", HOST, {"owner": "crashes", "secrets": {"chap": SECRET}}, time_limit=60)
    assert SECRET not in str(caught.value)


def test_an_unreachable_host_is_told_as_such(runner: WorkerRunner) -> None:
    """A refused connection means that nothing was done there."""
    with pytest.raises(HostUnreachable, match="refused"):
        runner.run("apply", LOST, {}, time_limit=60)


def test_a_run_past_its_time_limit_is_killed_with_all_it_started(runner: WorkerRunner, tmp_path: Path) -> None:
    """Even Ansible's own worker, which leaves the run's process group, and the module are gone."""
    pid = tmp_path / "pid"
    begun = time.monotonic()
    with pytest.raises(RunDied, match="time limit"):
        runner.run("apply", HOST, {"owner": "sleeps", "settings_dir": str(pid)}, time_limit=6)
    assert time.monotonic() - begun < 15
    wait_until(lambda: not lives(pid.read_text()))


def test_no_secret_shows_in_any_process_or_file(runner: WorkerRunner, run_root: Path, tmp_path: Path) -> None:
    """While a run works, its secrets are in no environment, no command line and no file."""
    pid = tmp_path / "pid"
    request = {"owner": "sleeps", "settings_dir": str(pid), "secrets": {"chap": SECRET}}
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(runner.run, "apply", HOST, request, time_limit=8)
        wait_until(pid.exists)
        shown = [text for text in environments().values() if SECRET.encode() in text]
        files = [path for path in run_root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        assert isinstance(future.exception(), RunDied)
    assert (shown, files) == ([], [])


def test_runs_on_different_hosts_do_not_wait_for_each_other(runner: WorkerRunner) -> None:
    """Many runs at once, each with its own answer."""
    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(
            lambda number: runner.run("apply", HOST, {"resources": [{"key": number}]}, time_limit=60)["results"],
            range(3),
        )
    assert list(answers) == [[{"key": number}] for number in range(3)]


def test_run_directories_are_private_and_removed(runner: WorkerRunner, run_root: Path) -> None:
    """Nothing of an ended run is left, and nobody else may look in meanwhile."""
    (worker,) = run_root.glob("worker-*")
    assert worker.stat().st_mode & 0o777 == 0o700
    for _ in range(3):
        runner.run("apply", HOST, {}, time_limit=60)
    assert all(path.stat().st_mode & 0o777 == 0o700 for path in worker.glob("run-*"))
    # On the upper rungs two runs of each playbook may wait for jobs.
    wait_until(lambda: len(list(worker.glob("run-*"))) <= (0 if runner.rung == "plain" else 4))


@pytest.mark.parametrize("rung", ["standby", "forked", "plain"])
def test_a_worker_that_was_killed_is_replaced(tmp_path: Path, rung: str) -> None:
    """Its calls died; the next one works, and nothing of the old worker is left."""
    pid = tmp_path / "pid"
    with tempfile.TemporaryDirectory(prefix="run-") as root, ThreadPoolExecutor(1) as pool:
        runner = start(overlay(tmp_path / "content"), Path(root), rung)
        future = pool.submit(runner.run, "apply", HOST, {"owner": "sleeps", "settings_dir": str(pid)}, time_limit=50)
        wait_until(pid.exists)
        os.kill(runner.pid, 9)
        assert isinstance(future.exception(), RunDied)
        assert runner.run("apply", HOST, {}, time_limit=60)["results"] == []
        assert not lives(pid.read_text())
        runner.close()
        assert list(Path(root).iterdir()) == []
        assert marked(Path(root)) == []
        with pytest.raises(RunDied, match="shutting down"):
            runner.run("apply", HOST, {}, time_limit=60)


def lives(pid: str) -> bool:
    """Whether the process still runs; a zombie does not."""
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: object, seconds: float = 20.0) -> None:
    """Wait for the condition; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_that_dies_is_no_problem_as_long_as_another_can_be_started(runner: WorkerRunner) -> None:
    """Asking for problems starts it."""
    pid = runner.pid
    assert runner.problem() is None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not runner._worker.alive)
    assert runner.problem() is None
    assert runner.pid != pid
    assert runner.run("info", HOST, {}, time_limit=60)["results"] == []


def test_workers_that_die_without_a_word_are_a_problem_until_one_speaks(
    run_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that cannot be started at all."""
    runner = start(overlay(tmp_path), run_root, "plain")
    try:
        assert runner.run("info", HOST, {}, time_limit=60)["results"] == []
        for number in range(BARREN_STARTS + 1):
            assert runner.problem() is None, number
            runner._worker.answered = number == 0
            os.kill(runner.pid, signal.SIGKILL)
            wait_until(lambda: not runner._worker.alive)
            runner._worker.answered = number == 0
        assert "died 3 times without a word" in (runner.problem() or "")
        assert runner.run("info", HOST, {}, time_limit=60)["results"] == []
        assert runner.problem() is None
        os.kill(runner.pid, signal.SIGKILL)
        wait_until(lambda: not runner._worker.alive)
        with monkeypatch.context() as patch:
            patch.setattr(runner, "_start", _unstartable)
            assert (
                runner.problem() == "the process that runs Ansible cannot be started: Resource temporarily unavailable"
            )
            with pytest.raises(RunDied):
                runner.run("info", HOST, {}, time_limit=60)
        assert runner.problem() is None
    finally:
        runner.close()
    assert runner.problem() is None


def _unstartable() -> None:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
