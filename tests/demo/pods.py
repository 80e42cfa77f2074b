"""What a pod does with a volume: it has it mounted, or without root the bare device, and writes and reads."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.harness.stack import HOST, NODE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from csi_driver.proto import csi_pb2 as pb
    from tests.demo.show import Show
    from tests.harness.client import Cluster
    from tests.harness.stack import Stack

ROOT = os.geteuid() == 0


class Pods:
    """Gives volumes to a pod on the one node and takes them away, telling each step."""

    def __init__(self, show: Show, stack: Stack, cluster: Cluster) -> None:
        self._show = show
        self._cluster = cluster
        self._devices = stack.node_state / "dev"

    def start(self, volume: pb.Volume, what: str) -> Path:
        """Attach the volume and return what the pod writes to: a file in it, or the device."""
        with self._show.step("ControllerPublishVolume: export to this node only", HOST):
            context = self._cluster.attach(volume.volume_id, self._cluster.node_id())
        with self._show.step(f"NodeStageVolume: log in, {what}" if ROOT else "NodeStageVolume: log in", NODE_NAME):
            self._cluster.stage(volume, context)
        if not ROOT:
            return next(self._devices.glob("sd*"))
        with self._show.step("NodePublishVolume: bind into the pod", NODE_NAME):
            return self._cluster.mount(volume, context) / "data"

    def stop(self, volume: pb.Volume) -> None:
        """Take the volume from the pod and the node."""
        undone = "NodeUnpublishVolume, NodeUnstageVolume: unmount, log out"
        with self._show.step(undone if ROOT else "NodeUnstageVolume: log out", NODE_NAME):
            if ROOT:
                self._cluster.unmount(volume)
            self._cluster.unstage(volume)
        with self._show.step("ControllerUnpublishVolume: the export is gone", HOST):
            self._cluster.detach(volume.volume_id, self._cluster.node_id())

    def write(self, place: Path, content: bytes, what: str) -> None:
        """Write the content so that it is on the volume."""
        with self._show.step(f"the pod writes {what}", NODE_NAME) as step:
            with place.open("wb" if ROOT else "r+b") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            step.note = _digest(content)

    def read(self, place: Path, content: bytes, what: str) -> None:
        """Read the content back; it must be the same."""
        with self._show.step(f"the pod reads {what}", NODE_NAME) as step:
            with place.open("rb") as file:
                found = file.read(len(content))
            if found != content:
                raise AssertionError("the volume gave back something else than was written")
            step.note = f"the same bytes, {_digest(found)}{_room(place)}"


def _digest(content: bytes) -> str:
    return f"sha256 {hashlib.sha256(content).hexdigest()[:16]}…"


def _room(place: Path) -> str:
    """Say how large the filesystem is that the pod sees."""
    df = shutil.which("df")
    if not ROOT or df is None:
        return ""
    argv = [df, "-hT", str(place)] if sys.platform == "linux" else [df, "-h", str(place)]
    line = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    return f" · {' '.join(line.split()[1:3])}"
