"""A whole node on loop devices, with nothing left behind however a test ends."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from csi_driver.node.attach.attacher import Attacher
from csi_driver.node.attach.iscsi_linux import IscsiLinux
from csi_driver.node.filesystems import Filesystems
from csi_driver.node.health import HealthProbe
from csi_driver.node.host import Host, LocalHost
from csi_driver.node.model import IscsiAttachment, NodeInfo, PublishRequest, StageRequest
from csi_driver.node.mounts.linux import LinuxMounter
from csi_driver.node.mounts.mountinfo import parse
from csi_driver.node.service import NodeService
from csi_driver.storage.ids import NodeId, initiator_name
from csi_driver.storage.model import AccessMode, BlockAccess, MountAccess
from tests.unit.node.portal import Portal

STANDINS = Path(__file__).resolve().parents[2] / "standins" / "bin"
CLUSTER = "demo"
NODE = "node-1"
INITIATOR = initiator_name(CLUSTER, NODE)
MODE = AccessMode.SINGLE_NODE_WRITER
EXT4 = MountAccess("ext4")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


class Lab:
    """A node, a portal, and the paths a caller would use."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "n"
        self.portal = Portal(directory)
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join((str(STANDINS), str(Path(sys.executable).parent), os.environ["PATH"])),
            "STANDIN_STATE": str(self.state),
        }
        self.host = LocalHost(self.environment)
        self.service = self.restarted()
        self.uuid = uuid.uuid4().hex
        self.volume_id = f"nas1:{self.uuid}"
        self.staging = directory / "staging"
        self.staging.mkdir()
        self.target = directory / "target"

    def restarted(self, host: Host | None = None) -> NodeService:
        """A node service that remembers nothing, and runs its commands through `host`."""
        host = host or self.host
        attacher, mounter = self.attacher(host), LinuxMounter(host)
        return NodeService(
            info=NodeInfo(node_id=NodeId(NODE, ("127.0.0.1",)), max_volumes=0),
            host=host,
            attacher=attacher,
            mounter=mounter,
            filesystems=Filesystems(host),
            health=self.health(attacher),
        )

    def health(self, attacher: Attacher) -> HealthProbe:
        portals = {"nas1": (self.portal.address,)}
        return HealthProbe(attacher, LinuxMounter(self.host), portals=portals, sysfs=self.state / "sys")

    def attacher(self, host: Host | None = None) -> IscsiLinux:
        return IscsiLinux(
            host or self.host,
            cluster=CLUSTER,
            initiator=INITIATOR,
            sysfs=self.state / "sys",
            dev=self.state / "dev",
            root=self.state,
        )

    def publish_on_host(self, *, readonly: bool = False, size: int = 64 << 20) -> IscsiAttachment:
        """Do what ControllerPublishVolume does: a fresh token each time."""
        target = f"iqn.1994-09.org.freebsd.csi:{CLUSTER}.{uuid.uuid4().hex}"
        serial = self.uuid[:16]
        self.portal.export(target, INITIATOR, serial=serial, readonly=readonly, size=size)
        return IscsiAttachment(portals=(self.portal.address,), target=target, lun=0, serial=serial)

    def stage_request(
        self,
        attachment: IscsiAttachment,
        access: MountAccess | BlockAccess = EXT4,
        *,
        mode: AccessMode = MODE,
        readonly: bool = False,
    ) -> StageRequest:
        return StageRequest(
            volume_id=self.volume_id,
            staging_path=str(self.staging),
            access=access,
            mode=mode,
            attachment=attachment,
            readonly=readonly,
        )

    def publish_request(
        self,
        access: MountAccess | BlockAccess = EXT4,
        *,
        target: Path | None = None,
        mode: AccessMode = MODE,
        readonly: bool = False,
    ) -> PublishRequest:
        return PublishRequest(
            volume_id=self.volume_id,
            staging_path=str(self.staging),
            target_path=str(target or self.target),
            access=access,
            mode=mode,
            readonly=readonly,
        )

    def run(self, *argv: str) -> str:
        """Run a command as the node would; it must succeed."""
        result = subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 0, result
        return result.stdout

    def disks(self) -> list[str]:
        """The disks that are attached."""
        path = self.state / "dev"
        return sorted(each.name for each in path.iterdir()) if path.exists() else []

    def mounted(self) -> list[str]:
        """Where something of this lab is mounted."""
        table = parse(Path("/proc/self/mountinfo").read_text())
        return [each.point for each in table if each.point.startswith(str(self.directory))]

    def leftovers(self) -> list[str]:
        """What should not be there once everything is undone."""
        names = [path.name for path in self.directory.iterdir() if path.name.endswith(".json")]
        nodes = self.state / "etc/iscsi/nodes"
        records = [path.name for path in nodes.iterdir()] if nodes.exists() else []
        return [*self.mounted(), *self.disks(), *names, *records]

    def close(self) -> None:
        for point in reversed(self.mounted()):
            subprocess.run(("umount", "-l", point), check=False)
        subprocess.run(
            ("iscsiadm", "-m", "session", "--logout"),
            env=self.environment,
            check=False,
            capture_output=True,
            timeout=60,
        )
        self.portal.close()
