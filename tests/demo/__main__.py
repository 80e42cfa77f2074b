"""
One volume's life, on a simulated FreeBSD host, over real SSH, real Ansible and real gRPC.

    python -m tests.demo [--release 14.3] [--ssh auto|openssh|asyncssh]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.demo.bootstrap import bootstrap
from tests.demo.show import Show
from tests.harness.client import Cluster, capability
from tests.harness.leaks import leftovers
from tests.harness.stack import HOST, NODE_NAME, Stack
from tests.harness.tally import Tally

if TYPE_CHECKING:
    from pathlib import Path

    from csi_driver.proto import csi_pb2 as pb

GIB = 1 << 30
NAME = "pvc-6f1c2a9e-0b7d-4a53-9d60-2f1f2c1a7be1"
CONTENT = os.urandom(8 << 20)


def main() -> int:
    """Run the demo; 0 when every step worked and nothing is left."""
    arguments = _arguments()
    stack = Stack(release=arguments.release, ssh=arguments.ssh, prepared=False)
    seen = 0

    def commands() -> list[list[str]]:
        nonlocal seen
        entries = stack.host.control("log", since=seen)["entries"]
        seen += len(entries)
        return [entry["argv"] for entry in entries]

    show = Show(commands)
    tally = Tally()
    show.title(
        "a Kubernetes volume on FreeBSD, from CreateVolume to a mounted filesystem and back",
        below=f"simulated FreeBSD {arguments.release} · real SSH · real Ansible · real gRPC",
    )
    with stack.running_host():
        bootstrap(show, stack)
        with show.step("start the driver: controller and node", "here"):
            stack.start_drivers()
        problems = _life(show, stack, tally)
    show.table()
    show.verdict(problems)
    tally.passed = len(show.steps)
    tally.check("demo: nothing left", "; ".join(problems) or None)
    return tally.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--release", default="14.3")
    parser.add_argument("--ssh", default="auto", choices=("auto", "openssh", "asyncssh"))
    return parser.parse_args()


def _life(show: Show, stack: Stack, tally: Tally) -> list[str]:
    with stack.controller.channel() as controller, stack.node.channel() as node:
        cluster = Cluster(controller, node, stack.directory / "kubelet")
        with show.step("CreateVolume: 1 GiB, thin, lz4", HOST) as step:
            volume = cluster.create(NAME, GIB, parameters={"compression": "lz4", "fsType": "ext4"})
            step.note = f"volume id {volume.volume_id}"
        if os.geteuid() == 0:
            _write_and_read(show, cluster, volume)
        else:
            tally.skip("demo, format and mount", "a node needs root for them, so the bare device is used")
            _attach_only(show, cluster, volume, stack.node_state / "dev")
        with show.step("DeleteVolume", HOST):
            cluster.delete(volume.volume_id)
    return leftovers(stack)


def _attach_only(show: Show, cluster: Cluster, volume: pb.Volume, devices: Path) -> None:
    cluster.capability = capability(block=True)
    with show.step("ControllerPublishVolume: export to this node only", HOST):
        context = cluster.attach(volume.volume_id, cluster.node_id())
    with show.step("NodeStageVolume: log in", NODE_NAME):
        cluster.stage(volume, context)
    with show.step(f"write {len(CONTENT) >> 20} MiB to the device and read them back", NODE_NAME):
        device = next(devices.glob("sd*"))
        with device.open("r+b") as disk:
            disk.write(CONTENT)
        _compare(device.open("rb").read(len(CONTENT)))
    with show.step("NodeUnstageVolume: log out", NODE_NAME):
        cluster.unstage(volume)
    with show.step("ControllerUnpublishVolume: the export is gone", HOST):
        cluster.detach(volume.volume_id, cluster.node_id())


def _write_and_read(show: Show, cluster: Cluster, volume: pb.Volume) -> None:
    path = _attach(show, cluster, volume, "format, mount")
    with show.step(f"write {len(CONTENT) >> 20} MiB into the pod's directory", NODE_NAME) as step:
        (path / "data").write_bytes(CONTENT)
        step.note = f"{_df(path)}"
    _detach(show, cluster, volume)
    path = _attach(show, cluster, volume, "mount again")
    with show.step("read it back", NODE_NAME) as step:
        step.note = f"the same bytes, sha256 {_compare((path / 'data').read_bytes())[:16]}…"
    _detach(show, cluster, volume)


def _attach(show: Show, cluster: Cluster, volume: pb.Volume, what: str) -> Path:
    with show.step("ControllerPublishVolume: export to this node only", HOST):
        context = cluster.attach(volume.volume_id, cluster.node_id())
    with show.step(f"NodeStageVolume: log in, {what}", NODE_NAME):
        cluster.stage(volume, context)
    with show.step("NodePublishVolume: bind into the pod", NODE_NAME):
        return cluster.mount(volume, context)


def _detach(show: Show, cluster: Cluster, volume: pb.Volume) -> None:
    with show.step("NodeUnpublishVolume, NodeUnstageVolume: unmount, log out", NODE_NAME):
        cluster.unmount(volume)
        cluster.unstage(volume)
    with show.step("ControllerUnpublishVolume: the export is gone", HOST):
        cluster.detach(volume.volume_id, cluster.node_id())


def _compare(found: bytes) -> str:
    """Return the digest of what the volume gave back; it must be what was written."""
    if found != CONTENT:
        raise AssertionError("the volume gave back something else than was written")
    return hashlib.sha256(found).hexdigest()


def _df(path: Path) -> str:
    df = shutil.which("df")
    if df is None:
        return str(path)
    argv = [df, "-hT", str(path)] if sys.platform == "linux" else [df, "-h", str(path)]
    line = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    return " ".join(line.split()[:-1])


if __name__ == "__main__":
    sys.exit(main())
