"""The playbooks that people run by hand: what they say, what they do, and what they leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.playbooks.play import Play, play
from tests.simulator.host import SimulatedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

OWNER = "demo"
SIZE = 64 << 20


@pytest.fixture
def host(directory: Path) -> Iterator[SimulatedHost]:
    """A storage host."""
    with SimulatedHost(directory / "host") as simulated:
        yield simulated


class Storage:
    """A storage host and what people do to it with playbooks."""

    def __init__(self, host: SimulatedHost, directory: Path) -> None:
        self.host = host
        self.conf = Path(host.root, "etc/ctl.conf")
        self._directory = directory

    def play(self, playbook: str, *, check: bool = False, **variables: Any) -> Play:
        """Run a playbook that is to succeed."""
        run = self.try_(playbook, check=check, **variables)
        assert run.ok, run.output
        return run

    def try_(self, playbook: str, *, check: bool = False, **variables: Any) -> Play:
        """Run a playbook."""
        common = {
            "storage_owner": OWNER,
            "storage_parent": self.host.info["parent"],
            "storage_settings_dir": self.host.info["settings_dir"],
        }
        return play(playbook, self.host, self._directory, {**common, **variables}, check=check)

    def apply(self, *resources: dict[str, Any]) -> None:
        """Bring resources about."""
        self.play("apply", storage_resources=list(resources))

    def published(self, name: str, node: str) -> str:
        """Make a volume and publish it; return its uuid."""
        self.apply({"key": name, "kind": "volume", "name": name, "required_bytes": SIZE})
        uuid = str(self.property(f"tank/csi/{name}", "org.freebsd.storage:uuid"))
        initiator = f"iqn.1994-09.org.freebsd.csi:{OWNER}:{node}"
        self.apply({"key": name, "kind": "publication", "volume": uuid, "node": node, "initiator": initiator})
        return uuid

    def property(self, dataset: str, name: str) -> Any:
        """A local property."""
        return self.host.control("state")["datasets"][dataset]["properties"][name]

    def targets(self) -> set[str]:
        """The targets that the kernel shows."""
        return {
            port["target"] for port in self.host.control("state")["ports"] if str(port.get("target")).startswith("iqn")
        }


@pytest.fixture
def storage(host: SimulatedHost, directory: Path) -> Storage:
    """The storage host."""
    return Storage(host, directory)


def test_reconcile_restores_a_host_that_came_back_with_an_empty_ctl_conf(storage: Storage) -> None:
    """Check mode says what is amiss and touches nothing; the run mends it, and nothing of others; the next has none."""
    storage.published("data", "node1")
    targets, whole = storage.targets(), storage.conf.read_text()
    begin = whole.index("# BEGIN freebsd.storage demo")
    mine = "# the administrator's own\n"
    storage.conf.write_text(whole[:begin] + mine)
    storage.host.control("reboot")
    assert not targets & storage.targets()
    before = storage.host.control("state")

    checked = storage.play("reconcile", check=True)
    assert checked.changed == 1
    assert "tank/csi/data to node1" in checked.output
    assert storage.host.control("state") == before
    assert storage.conf.read_text() == whole[:begin] + mine

    mended = storage.play("reconcile")
    assert mended.changed == 1
    assert "1 publications of 1 volumes" in mended.output
    assert targets <= storage.targets()
    assert storage.conf.read_text() == whole[:begin] + mine + whole[begin:]
    after = storage.host.control("state")

    assert storage.play("reconcile").changed == 0
    assert storage.play("reconcile", check=True).changed == 0
    assert storage.host.control("state") == after
    assert not any(target.rpartition(".")[2] in checked.output + mended.output for target in targets)


def test_inspect_tells_what_there_is_and_what_is_amiss(storage: Storage) -> None:
    """Volumes, who is attached, snapshots, what is in the trash and why; no change, in check mode either."""
    uuid = storage.published("data", "node1")
    storage.apply({"key": "old", "kind": "volume", "name": "old", "required_bytes": SIZE})
    # A name is data, whatever it looks like.
    storage.host.run("zfs", "set", "org.freebsd.storage:name=%7B%7B%20old%20%7D%7D", "tank/csi/old")
    gone = storage.property("tank/csi/old", "org.freebsd.storage:uuid")
    storage.apply({"key": "s", "kind": "snapshot", "name": "monday", "volume": gone})
    storage.apply({"key": "old", "kind": "volume", "state": "absent", "uuid": gone})
    storage.host.run("zfs", "snapshot", "tank/csi/data@mine")
    for check in (False, True):
        before = storage.host.control("state")
        run = storage.play("inspect", check=check)
        assert run.changed == 0
        assert storage.host.control("state") == before
        assert f"data ({uuid})" in run.output
        assert "attached to node1" in run.output
        assert f"deleted: {{{{ old }}}} ({gone})" in run.output
        assert "kept by the snapshot 'monday'" in run.output
        assert "amiss" not in run.output
    storage.host.run("service", "ctld", "stop")
    run = storage.play("inspect")
    assert "amiss: ctld does not run" in run.output


def test_a_zvol_of_another_driver_is_adopted_once_and_gets_its_manifest(storage: Storage, directory: Path) -> None:
    """Refused until it is said whose it was; check mode sets nothing; the manifest has the driver's names."""
    metadata = 'user:csi:metadata={"schema_version":2,"parameters":{}}'
    storage.host.run("zfs", "create", "-V", str(SIZE), "-o", "volmode=dev", "-o", metadata, "tank/csi/pvc-0c1d")
    before = storage.host.control("state")
    refused = storage.try_("adopt", adopt_zvol="pvc-0c1d")
    assert not refused.ok
    assert "freebsd-csi made it" in refused.output
    chosen = {
        "adopt_zvol": "pvc-0c1d",
        "adopt_abandoned_by": "freebsd-csi",
        "adopt_claim": "data",
        "adopt_namespace": "shop",
        "adopt_fs_type": "xfs",
    }
    checked = storage.play("adopt", check=True, **chosen)
    assert checked.changed == 1
    assert storage.host.control("state") == before

    manifest = directory / "volume.yml"
    assert storage.play("adopt", adopt_manifest=str(manifest), **chosen).changed == 2
    after = storage.host.control("state")
    assert storage.play("adopt", adopt_manifest=str(manifest), **chosen).changed == 0
    assert storage.host.control("state") == after
    shown = storage.play("adopt", **chosen)
    assert shown.changed == 0
    assert "kind: PersistentVolumeClaim" in shown.output

    uuid = storage.property("tank/csi/pvc-0c1d", "org.freebsd.storage:uuid")
    volume, claim = yaml.safe_load_all(manifest.read_text())
    assert volume["spec"]["csi"] == {
        "driver": "csi.freebsd.org",
        "volumeHandle": f"nas1:{uuid}",
        "volumeAttributes": {"protocol": "iscsi", "fsType": "xfs"},
        "fsType": "xfs",
    }
    assert volume["spec"]["capacity"] == {"storage": str(SIZE)}
    assert volume["spec"]["claimRef"] == {"namespace": "shop", "name": "data"}
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == volume["spec"]["storageClassName"] == ""
