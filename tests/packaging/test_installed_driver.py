"""The driver runs from the installed wheel, outside the tree, on a host reached over SSH."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from csi_driver.proto import csi_pb2, csi_pb2_grpc
from tests.harness.stack import Stack
from tests.packaging.conftest import REPOSITORY, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY_SECONDS = 60.0
MIB = 1 << 20


@pytest.fixture
def stack() -> Iterator[Stack]:
    """A storage host and the driver's configuration for it; the drivers are not started."""
    stack = Stack()
    try:
        stack.host.start()
        stack.write_config()
        yield stack
    finally:
        stack.close()


def test_it_finds_its_playbooks_beside_itself(installed: Path, outside: Path) -> None:
    """Not those of the tree."""
    printed = run(installed / "csi-driver", "paths", cwd=outside)
    assert str(installed.parent) in printed
    assert str(REPOSITORY) not in printed


def test_it_checks_a_configuration(installed: Path, outside: Path, stack: Stack) -> None:
    """A good one is taken."""
    run(installed / "csi-driver", "check-config", "--config", stack.config, cwd=outside)


def test_it_makes_and_deletes_a_volume(installed: Path, outside: Path, stack: Stack) -> None:
    """Through the installed playbooks, modules and ansible-playbook."""
    with _controller(installed, outside, stack) as channel:
        controller = csi_pb2_grpc.ControllerStub(channel)
        mount = csi_pb2.VolumeCapability.MountVolume(fs_type="ext4")
        mode = csi_pb2.VolumeCapability.AccessMode(mode="SINGLE_NODE_WRITER")
        request = csi_pb2.CreateVolumeRequest(
            name="from-the-wheel",
            capacity_range=csi_pb2.CapacityRange(required_bytes=64 * MIB),
            volume_capabilities=[csi_pb2.VolumeCapability(mount=mount, access_mode=mode)],
        )
        volume = controller.CreateVolume(request, timeout=60).volume
        assert volume.capacity_bytes == 64 * MIB
        assert "from-the-wheel" in json.dumps(stack.host_state())
        controller.DeleteVolume(csi_pb2.DeleteVolumeRequest(volume_id=volume.volume_id), timeout=60)
        assert "from-the-wheel" not in json.dumps(stack.host_state())


@contextlib.contextmanager
def _controller(installed: Path, outside: Path, stack: Stack) -> Iterator[grpc.Channel]:
    """The installed controller, answering on a socket of its own; ended by SIGTERM with status 0."""
    endpoint = f"unix://{outside}/csi.sock"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ANSIBLE_"))}
    # Only the system's own commands and this environment's: nothing of the tree's.
    environment |= {"CSI_ENDPOINT": endpoint, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    argv = [str(installed / "csi-driver"), "controller", "--config", str(stack.config)]
    log = outside / "driver.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            argv, cwd=outside, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        with grpc.insecure_channel(endpoint) as channel:
            _wait(process, channel, log)
            yield channel
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
    assert status == 0, log.read_text()


def _wait(process: subprocess.Popen[bytes], channel: grpc.Channel, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(grpc.RpcError):
            csi_pb2_grpc.IdentityStub(channel).Probe(csi_pb2.ProbeRequest(), timeout=2)
            return
        time.sleep(0.1)
    pytest.fail(f"the driver did not answer: {log.read_text()}")
