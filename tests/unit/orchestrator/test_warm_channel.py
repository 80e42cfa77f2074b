"""The channel, its agent and the broker before it, with a shell on this machine in place of ssh."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from csi_driver.orchestrator.warm import agent
from csi_driver.orchestrator.warm.broker import THIS_MACHINE, Broker
from csi_driver.orchestrator.warm.channel import Channel, ChannelLost, NotSent, Script

HERE = ["/bin/sh", "-c"]
BLOB = base64.b64encode(os.urandom(3000)).decode()


@pytest.fixture
def channel() -> Iterator[Channel]:
    channel = Channel(HERE, sys.executable)
    yield channel
    channel.close()


def run(channel: Channel, script: str) -> tuple[int, str, str]:
    """Run a script through the channel: exit code and the two outputs."""
    _, future = channel.call(Script.parse(script.encode()))
    frame, output = future.result(20)
    return frame["rc"], output[: frame["out"]].decode(), output[frame["out"] :].decode()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the agents of this test alone make their directories."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def agent_directories(temporary: Path) -> list[Path]:
    """Return the directories that agents have made there."""
    return list(temporary.glob("freebsd-storage-agent-*"))


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def wait_until(condition: Any, seconds: float = 10.0) -> None:
    """Wait for the condition; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_script_runs_as_in_a_fresh_interpreter(channel: Channel) -> None:
    """Outputs and exit status come back, `__main__` is the script, standard input is empty."""
    script = "import sys\nprint(__name__, sys.stdin.read() == '', sys.argv)\nsys.stderr.write('err')\nsys.exit(3)\n"
    assert run(channel, script) == (3, "__main__ True ['']\n", "err")


def test_a_script_leaves_nothing_to_the_next(channel: Channel) -> None:
    """Each has a process of its own."""
    run(channel, "import os, sys\nos.environ['LEFT'] = '1'\nos.chdir('/')\nsys.left = 1\n")
    here = run(channel, "import os, sys\nprint('LEFT' in os.environ, os.getcwd(), hasattr(sys, 'left'))\n")[1]
    assert here == f"False {Path.cwd()} False\n"


def test_an_uncaught_exception_is_told_as_an_interpreter_tells_it(channel: Channel) -> None:
    """With a traceback on standard error, and exit status 1."""
    code, out, err = run(channel, "raise ValueError('odd')\n")
    assert (code, out) == (1, "")
    assert err.endswith("ValueError: odd\n")


def test_calls_run_at_the_same_time(channel: Channel) -> None:
    """A slow script does not keep a fast one."""
    _, slow = channel.call(Script.parse(b"import time\ntime.sleep(30)\n"))
    assert run(channel, "print(1)\n")[1] == "1\n"
    assert not slow.done()


def test_a_cancelled_call_is_killed_with_all_it_started(channel: Channel) -> None:
    """Nothing of it goes on on the host."""
    with tempfile.TemporaryDirectory() as name:
        note = Path(name) / "pid"
        script = f"""
import subprocess
child = subprocess.Popen(["sleep", "60"])
open({str(note)!r}, "w").write(str(child.pid))
child.wait()
"""
        number, _ = channel.call(Script.parse(script.encode()))
        wait_until(lambda: note.exists() and note.read_text())
        channel.cancel(number)
        wait_until(lambda: not _lives(int(note.read_text())))
    assert run(channel, "print(1)\n")[1] == "1\n"


def test_a_long_base64_text_is_sent_once(channel: Channel) -> None:
    """The second script with it travels without it, and is whole all the same."""
    script = f"import hashlib\nprint(hashlib.sha256({BLOB!r}.encode()).hexdigest(), 'é')\n"
    first = run(channel, script)
    assert first == run(channel, script)
    assert first[0] == 0
    parsed = Script.parse(script.encode())
    assert list(parsed.blobs.values()) == [BLOB.encode()]
    assert BLOB.encode() not in parsed.text


def test_what_a_payload_holds_is_imported_before_it_is_needed(channel: Channel) -> None:
    """Its module_utils are there already; nothing of the payload but those is imported."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as payload:
        payload.writestr("ours/__init__.py", "")
        payload.writestr("ours/module_utils/__init__.py", "")
        payload.writestr("ours/module_utils/shared.py", "X = " + repr(BLOB))
        payload.writestr("ours/modules/__init__.py", "raise RuntimeError")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    script = f"import sys\nz = '{encoded}'\nprint(sorted(n for n in sys.modules if n.startswith('ours')))\n"
    assert run(channel, script)[1] == "['ours', 'ours.module_utils', 'ours.module_utils.shared']\n"


def test_a_lost_channel_tells_its_calls_what_ssh_said() -> None:
    """They may have happened or not."""
    channel = Channel(["sh", "-c", 'echo no route >&2; exec sh -c "$1"', "sh"], sys.executable)
    run(channel, "print(1)\n")
    _, future = channel.call(Script.parse(b"import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"))
    with pytest.raises(ChannelLost, match="no route") as caught:
        future.result(10)
    assert not caught.value.agent_refused
    wait_until(lambda: channel.lost)
    with pytest.raises(NotSent):
        channel.call(Script.parse(b"print(1)\n"))
    channel.close()


def test_a_host_without_the_interpreter_refuses_the_agent() -> None:
    """Ssh got there, so a plain run can tell what is wrong."""
    channel = Channel(HERE, "/nonexistent/python3")
    with pytest.raises((ChannelLost, NotSent)):
        channel.call(Script.parse(b"print(1)\n"))[1].result(10)
    words = channel.last_words()
    assert words.agent_refused
    assert "not found" in str(words)


def test_an_ended_channel_leaves_nothing_on_the_host(temporary: Path) -> None:
    """Neither a process nor a file."""
    channel = Channel(HERE, sys.executable)
    pid = int(run(channel, "import os\nprint(os.getppid())\n")[1])
    assert len(agent_directories(temporary)) == 1
    channel.close()
    wait_until(lambda: not _lives(pid) and not agent_directories(temporary))


def test_an_agent_that_is_killed_is_cleaned_up_after_by_its_spare_child(temporary: Path) -> None:
    """Its directory goes even then."""
    channel = Channel(HERE, sys.executable)
    # A spare child is kept once there is a payload.
    pid = int(run(channel, f"z = '{BLOB}'\nimport os\nprint(os.getppid())\n")[1])
    time.sleep(0.5)  # until the call's own child was waited for
    assert len(_children(pid)) == 1
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not agent_directories(temporary))
    channel.close()


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        f"x = '{BLOB}'\n",
        f"def f():\n    return ('{BLOB}', 'é')\nx = f()\n",
        f"# {BLOB}\nx = 1\n",
        f"x = 'a{BLOB}'\n",
    ],
)
def test_a_script_put_together_again_does_what_it_did(text: str) -> None:
    """Also where a long text is not a string by itself."""
    script = Script.parse(text.encode())
    blobs = {name: data.decode() for name, data in script.blobs.items()}
    expected: dict[str, Any] = {}
    found: dict[str, Any] = {}
    exec(text, expected)  # noqa: S102 - an interpreter is what is tested
    exec(agent.compiled(script.text.decode(), list(script.pieces), blobs), found)  # noqa: S102 - likewise
    assert found["x"] == expected["x"]


# --- the broker ------------------------------------------------------------------------------------


@pytest.fixture
def broker() -> Iterator[Broker]:
    with tempfile.TemporaryDirectory(prefix="b-") as name:
        broker = Broker(Path(name) / "broker")
        yield broker
        broker.close()


def ask(broker: Broker, script: str, *argv: str, python: str = sys.executable, operation: str = "run") -> socket.socket:
    """Send the broker a request as the connection plugin does."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(broker.environment["FREEBSD_STORAGE_BROKER"])
    data = script.encode()
    request = {
        "op": operation,
        "argv": argv or ("ssh", THIS_MACHINE),
        "python": python,
        "purpose": "p",
        "size": len(data),
    }
    client.sendall(json.dumps(request).encode() + b"\n" + data)
    return client


def answer(client: socket.socket) -> dict[str, Any]:
    """Return the answer, with the outputs in it."""
    with client, client.makefile("rb") as stream:
        frame: dict[str, Any] = json.loads(stream.readline())
        return {**frame, "output": stream.read().decode()}


def test_the_broker_answers_with_what_the_script_did(broker: Broker) -> None:
    """The same channel serves call after call."""
    script = "import os\nprint(os.getppid())\n"
    first = answer(ask(broker, script))
    assert first["rc"] == 0
    assert answer(ask(broker, script))["output"] == first["output"]


def test_a_client_that_goes_away_cancels_its_call(broker: Broker) -> None:
    """Ansible was killed: nobody waits any more."""
    with tempfile.TemporaryDirectory() as name:
        note = Path(name) / "pid"
        script = f"import os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
        client = ask(broker, script)
        wait_until(lambda: note.exists() and note.read_text())
        client.close()
        wait_until(lambda: not _lives(int(note.read_text())))


def test_a_host_that_cannot_be_reached_is_unreachable(broker: Broker) -> None:
    """With what ssh said, again and again."""
    argv = ("ssh", "-o", "BatchMode=yes", "-p", "1", "127.0.0.1")
    for _ in range(2):
        assert "refused" in answer(ask(broker, "print(1)\n", *argv))["unreachable"]


def test_a_host_without_the_interpreter_is_left_to_plain_ssh(broker: Broker) -> None:
    """`refused`, not `unreachable`."""
    assert "not found" in answer(ask(broker, "print(1)\n", python="/nonexistent/python3"))["refused"]


def test_a_lost_channel_is_replaced(broker: Broker) -> None:
    """The call after the loss works on a new one."""
    killing = "import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(5)\n"
    assert "unreachable" in answer(ask(broker, killing))
    assert answer(ask(broker, "print(1)\n"))["output"] == "1\n"


def test_forgotten_channels_end_when_their_last_call_has(broker: Broker) -> None:
    """What runs is not disturbed."""
    with tempfile.TemporaryDirectory() as name:
        note = Path(name) / "note"
        slow = ask(
            broker, f"import os, time\nopen({str(note)!r}, 'w').write('x')\ntime.sleep(1)\nprint(os.getppid())\n"
        )
        wait_until(note.exists)
        broker.forget()
        pid = answer(slow)["output"]
        wait_until(lambda: not _lives(int(pid)))
        assert answer(ask(broker, "import os\nprint(os.getppid())\n"))["output"] != pid


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
