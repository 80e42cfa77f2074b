"""
What we use of Ansible and ansible-runner beyond their documented interfaces, each held to what is used.

Run it on every version of ansible-core that is to be supported. Where one of these fails the driver still
works, on a lower rung; see `csi_driver.orchestrator.warm.ladder`.
"""

from __future__ import annotations

import inspect
import json
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible_runner.runner
import pexpect
import pytest
import yaml
from ansible_runner.config.runner import RunnerConfig

from csi_driver.orchestrator import paths
from csi_driver.orchestrator.warm import agent, spawn
from csi_driver.orchestrator.warm.channel import Script

CONTENT = paths.content()


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for the names of unix sockets."""
    with tempfile.TemporaryDirectory(prefix="pi-") as directory:
        yield Path(directory)


def in_new_interpreter(code: str) -> str:
    """Run the code in an interpreter of its own, set up as the fork server is; return what it printed."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(CONTENT.collections), "LC_ALL": "C.UTF-8"}
    environment["PYTHONPATH"] = str(paths.PACKAGE.parent)
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return done.stdout


# --- ansible-runner: the name `pexpect` in its module `runner` ------------------------------------


def test_ansible_runner_starts_its_process_through_the_name_we_rebind(short_directory: Path) -> None:
    """`Runner.run` calls `pexpect.spawn(program, arguments, cwd=…, env=…)` and lives with what that returns."""
    spawn.intercept(ansible_runner.runner)
    config = RunnerConfig(private_data_dir=str(short_directory), playbook="none.yml", quiet=True)
    config.prepare()
    seen: list[tuple[list[str], str]] = []

    def spawner(arguments: list[str], cwd: str, environment: Any) -> spawn.ForkedRun:
        seen.append((arguments, cwd))
        assert environment["AWX_ISOLATED_DATA_DIR"] == config.artifact_dir
        output, output_end = os.pipe()
        job, server = socket.socketpair()
        os.write(output_end, b"printed\n")
        os.close(output_end)
        server.sendall(b"4711\n3\n")
        server.close()
        return spawn.ForkedRun(output, job)

    with spawn.spawning(spawner):
        status, code = ansible_runner.runner.Runner(config).run()
    assert seen == [(["ansible-playbook", "none.yml"], config.cwd)]
    assert (status, code) == ("failed", 3)


def test_without_a_spawner_pexpect_is_what_it_was() -> None:
    """On the bottom rung ansible-runner's own way is unchanged."""
    spawn.intercept(ansible_runner.runner)
    child = ansible_runner.runner.pexpect.spawn(sys.executable, ["-c", "print(1)"], cwd="/", env=dict(os.environ))
    assert isinstance(child, pexpect.spawn)
    child.expect(ansible_runner.runner.pexpect.EOF)
    child.close()


# --- ansible-core: what the fork server loads, and what must still be unset in it -----------------


def test_warming_up_starts_no_thread_and_sets_no_singleton() -> None:
    """A forked run finds the command line, the vault and the display as a new process would."""
    code = """
import threading, warnings
warnings.simplefilter("error")
from csi_driver.orchestrator.warm import warmup
warmup.load()
from ansible import context
from ansible.utils.context_objects import GlobalCLIArgs
from ansible.parsing.vault import VaultSecretsContext
print(threading.active_count(), dict(context.CLIARGS), bool(getattr(GlobalCLIArgs, "_Singleton__instance", None)))
print(VaultSecretsContext.current(optional=True))
"""
    assert in_new_interpreter(code).split("\n")[:2] == ["1 {} False", "None"]


def test_the_collections_can_be_configured_again_without_a_word() -> None:
    """Every run configures the finder of collections anew; Ansible's warning about that is silenced."""
    code = """
from csi_driver.orchestrator.warm import warmup
warmup.load()
from ansible.plugins.loader import init_plugin_loader
import warnings
with warnings.catch_warnings(record=True) as told:
    init_plugin_loader([])
print(len(told))
"""
    assert in_new_interpreter(code).strip() == "0"


def test_ansible_runners_callback_is_not_loaded_ahead() -> None:
    """It reads where to write its events when it is imported, so each run has to import it."""
    code = """
import sys
from csi_driver.orchestrator.warm import warmup
warmup.load()
print([name for name in sys.modules if "awx" in name])
"""
    assert in_new_interpreter(code).strip() == "[]"


def test_the_command_line_program_is_a_class_that_takes_its_arguments() -> None:
    """`PlaybookCLI.cli_executor(argv)` is the command, and ends with `SystemExit`."""
    code = """
from ansible.cli.playbook import PlaybookCLI
try:
    PlaybookCLI.cli_executor(["ansible-playbook", "--version"])
except SystemExit as done:
    print("exit", done.code)
"""
    assert in_new_interpreter(code).strip().endswith("exit 0")


# --- ansible-core: the ssh plugin, and how a module reaches it ------------------------------------


def test_the_ssh_plugin_runs_everything_through_one_method() -> None:
    """`_run(cmd, in_data, sudoable, checkrc)` is what our connection takes over."""
    from ansible.plugins.connection.ssh import Connection

    signature = inspect.signature(Connection._run)
    assert list(signature.parameters) == ["self", "cmd", "in_data", "sudoable", "checkrc"]


def test_the_ssh_plugin_is_asked_whether_it_pipelines() -> None:
    """`is_pipelining_enabled(wrap_async)` is what our connection remembers the answer of."""
    from ansible.plugins.connection.ssh import Connection

    assert list(inspect.signature(Connection.is_pipelining_enabled).parameters) == ["self", "wrap_async"]


@pytest.fixture(scope="module")
def sent() -> dict[str, Any]:
    """Return what the connection plugin asks a broker for when the playbook `info` is run."""
    with tempfile.TemporaryDirectory(prefix="pi-") as name:
        directory = Path(name)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(directory / "broker"))
        listener.listen()
        received: dict[str, Any] = {}

        def answer() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rwb") as stream:
                received.update(json.loads(stream.readline()))
                received["script"] = stream.read(received["size"])
                output = json.dumps({"failed": True, "msg": "seen", "error": {"code": "seen", "msg": "seen"}}).encode()
                stream.write(json.dumps({"rc": 1, "out": len(output), "err": 0}).encode() + b"\n" + output)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        received["printed"] = play_info(directory)
        thread.join(10)
        listener.close()
        return received


def play_info(directory: Path) -> str:
    """Run the playbook `info` with the kept connection to a host that does not exist."""
    host = {
        "ansible_connection": "freebsd.storage.agent",
        "ansible_host": "host.invalid",
        "ansible_python_interpreter": sys.executable,
        "ansible_pipelining": True,
    }
    inventory = directory / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"storage_hosts": {"hosts": {"nas": host}}}))
    environment = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "ANSIBLE_COLLECTIONS_PATH": str(CONTENT.collections),
        "ANSIBLE_HOME": str(directory),
        "TMPDIR": str(directory),
        "FREEBSD_STORAGE_BROKER": str(directory / "broker"),
        "LC_ALL": "C.UTF-8",
    }
    argv = ["ansible-playbook", "-i", str(inventory), str(CONTENT.playbooks / "info.yml"), "-e", "storage_parent=p/q"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_a_module_is_piped_into_an_interpreter_that_we_recognise(sent: dict[str, Any]) -> None:
    """The request names the operation, the ssh command up to the host, the interpreter and the module."""
    assert (sent["op"], sent["python"], sent["purpose"]) == ("run", sys.executable, "freebsd.storage.info")
    assert sent["argv"][0].endswith("ssh")
    assert sent["argv"][-1] == "host.invalid"


def test_the_brokers_answer_is_the_modules(sent: dict[str, Any]) -> None:
    """What the broker returns as the module's output becomes the task's result."""
    assert "Module failed: seen" in sent["printed"]


def test_a_modules_payload_is_one_long_string_by_itself(sent: dict[str, Any]) -> None:
    """So it can be sent once for many calls, and need not be compiled: only its name is."""
    script = Script.parse(sent["script"])
    assert len(script.blobs) == 1
    text = script.text.decode()
    name = next(iter(script.blobs))
    code = compile(text[: script.pieces[0]] + name + text[script.pieces[0] :], "<stdin>", "exec")
    assert agent.exchange(code, {name: "payload"})[1] == 1
    assert len(script.text) < 20_000


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (shlex.join(["/bin/sh", "-c", "/usr/local/bin/python3.11 && sleep 0"]), "/usr/local/bin/python3.11"),
        (shlex.join(["/bin/sh", "-c", "/usr/local/bin/python3"]), "/usr/local/bin/python3"),
        (shlex.join(["/bin/sh", "-c", "LANG=C /usr/local/bin/python3"]), None),
        (shlex.join(["/bin/sh", "-c", "/usr/local/bin/python3 /tmp/AnsiballZ_x.py"]), None),
        (shlex.join(["/bin/sh", "-c", "sudo -n /usr/local/bin/python3"]), None),
        ("/bin/sh -c 'unbalanced", None),
        ("/usr/local/bin/python3", None),
    ],
)
def test_only_a_bare_interpreter_goes_to_the_agent(command: str, expected: str | None) -> None:
    """Anything else that Ansible runs on a host goes by plain ssh."""
    from ansible_collections.freebsd.storage.plugins.connection.agent import interpreter

    assert interpreter(command) == expected
