"""A cluster at work on two storage hosts, of which the first is to get into trouble."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.faults.world import NotHealedError, World, masked
from tests.harness.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csi_driver.proto import csi_pb2 as pb
    from tests.simulator.host import SimulatedHost

MIB = 1 << 20
TROUBLED, SOUND = "nas1", "nas2"
# What every trial finds: three volumes that nobody uses, one that is published, and one that a node is logged in to.
LOOSE, SPARE, KEPT, PUBLISHED, WATCHED = NAMES = ("loose", "spare", "kept", "published", "watched")
PORTAL_SECONDS = 5.0


class Scene:
    """The hosts, the driver, and the volumes that a trial finds, by name."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.world = World(stack)
        self.volumes: dict[str, pb.Volume] = {}
        self._contexts: dict[str, dict[str, str]] = {}
        self._login: socket.socket | None = None
        # So that it is as after a quota that was taken away.
        self.run("zfs", "set", "quota=none", self.parent)

    @property
    def host(self) -> SimulatedHost:
        """The host that gets into trouble."""
        return self.stack.host

    @property
    def parent(self) -> str:
        """The dataset that it works below."""
        return str(self.host.info["parent"])

    @property
    def ctl_conf(self) -> Path:
        """What its ctld reads."""
        return self.stack.ctl_conf

    @property
    def is_ucl(self) -> bool:
        """Whether its ctld reads UCL."""
        return bool(self.host.info["grammar"] == "ucl")

    @property
    def own(self) -> Path:
        """The file that has the driver's exports."""
        return Path(self.host.info["settings_dir"], "ctl", "demo.conf") if self.is_ucl else self.ctl_conf

    def id_of(self, name: str) -> str:
        """The id of a volume that the trial found."""
        return self.volumes[name].volume_id

    def uuid_of(self, name: str) -> str:
        """Its uuid on the host."""
        return self.id_of(name).partition(":")[2]

    def uuid_on_host(self, leaf: str) -> str:
        """The uuid of a volume that somebody else has made."""
        return self.run("zfs", "get", "-Hp", "-o", "value", "org.freebsd.storage:uuid", f"{self.parent}/{leaf}").strip()

    def target_of(self, name: str) -> str:
        """The iSCSI name of a volume that was published at the beginning."""
        return self._contexts[name]["target"]

    def run(self, *argv: str) -> str:
        """What a command prints that the administrator runs on the host; it must succeed."""
        done = self.host.run(*argv)
        if done["rc"] != 0:
            raise AssertionError(f"{' '.join(argv)}: {done['err']}")
        return str(done["out"])

    def settle(self, attached: tuple[str, ...] = (PUBLISHED, WATCHED)) -> None:
        """Make the volumes, export some, and log in to the one that is watched."""
        with ThreadPoolExecutor(len(NAMES)) as pool:
            self.volumes = dict(zip(NAMES, pool.map(self._make, NAMES), strict=True))
            self._contexts = dict(zip(attached, pool.map(self._attach, attached), strict=True))
        if WATCHED in attached:
            self.log_in()

    def _make(self, name: str) -> Any:
        made = {"host": TROUBLED, "thin": "false"}
        return self.world.until_done(lambda cluster: cluster.create(name, MIB, parameters=made))

    def _attach(self, name: str) -> Any:
        return self.world.until_done(lambda cluster: cluster.attach(self.id_of(name), cluster.node_id()))

    def log_in(self) -> None:
        """Have a node log in to the watched volume."""
        address, _, port = str(self.host.info["portals"][0]).rpartition(":")
        deadline = time.monotonic() + PORTAL_SECONDS
        while self._login is None:
            try:
                self._login = socket.create_connection((address, int(port)), timeout=PORTAL_SECONDS)
            except OSError:  # ctld opens its portals a moment after the reload
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        request = {"op": "login", "initiator": "iqn.1994-09.org.freebsd.csi:demo:node-1", "chap": None}
        with self._login.makefile("rw") as lines:
            lines.write(json.dumps({**request, "target": self.target_of(WATCHED)}) + "\n")
            lines.flush()
            answer = json.loads(lines.readline())
        if not answer["ok"]:
            raise AssertionError(f"no login: {answer}")

    def log_out(self) -> None:
        """Have the node log out."""
        login, self._login = self._login, None
        if login is not None:
            login.close()

    def is_logged_in(self) -> bool:
        """Whether the node's session is alive: the host closes the connection of one that it ends."""
        return self._login is not None and not select.select([self._login], [], [], 0)[0]

    def trace_of(self, name: str) -> object:
        """All that the host has of a volume: what changes if a request leaves something half-made."""
        state = self.stack.host_state()
        dataset = state["datasets"].get(f"{self.parent}/{name}")
        uuid = self.uuid_of(name) if name in self.volumes else "none of them"
        luns = [lun for lun in state["luns"] if uuid in json.dumps(lun)]
        ports = [port for port in state["ports"] if {lun["lun"] for lun in luns} & set(port["luns"].values())]
        written = [line for line in self.exports().splitlines() if uuid in line]
        return dataset, luns, ports, written

    def exports(self) -> str:
        """What the configuration has of the driver's exports."""
        with contextlib.suppress(FileNotFoundError):
            return self.own.read_text()
        return ""

    def shape(self) -> tuple[str, ...]:
        """What there is on the host, less what is random: the names of things, and so their order."""
        lines = masked(self.exports()).split("\\n") if self.is_ucl else []
        return tuple(sorted(line.rstrip(",") for line in (*self.world.shape(), *lines)))

    def others_work(self) -> None:
        """See that the other storage host makes a volume and takes it away."""
        with self.world.cluster() as cluster:
            volume = cluster.create("elsewhere", MIB, parameters={"host": SOUND})
            cluster.detach(volume.volume_id, "")
            cluster.delete(volume.volume_id)

    def clear(self) -> None:
        """Log out, take everything away, and see that nothing is left."""
        self.log_out()
        self.world.empty()
        self.volumes, self._contexts = {}, {}

    @contextlib.contextmanager
    def edited(self, change: Callable[[str], str]) -> Iterator[None]:
        """Have the administrator change ctl.conf, and later put his part back as it was."""
        before = self.ctl_conf.read_text()
        after = change(before)
        if after == before:
            raise AssertionError("the edit changes nothing")
        self.ctl_conf.write_text(after)
        yield
        if self.ctl_conf.read_text() != after:
            raise NotHealedError("ctl.conf, which cannot be used, was changed")
        self.ctl_conf.write_text(before)

    @contextlib.contextmanager
    def set_property(self, name: str, key: str, value: str) -> Iterator[None]:
        """Have somebody set a property of a volume's dataset, and later put it back."""
        dataset = f"{self.parent}/{name}"
        before = self.run("zfs", "get", "-Hp", "-o", "value", key, dataset).rstrip("\n")
        self.run("zfs", "set", f"{key}={value}", dataset)
        yield
        self.run("zfs", "set", f"{key}={before}", dataset)

    def record_of(self, name: str) -> tuple[str, dict[str, Any]]:
        """The property that records the publication of a volume, and its value."""
        properties = self.stack.host_state()["datasets"][f"{self.parent}/{name}"]["properties"]
        (key,) = (key for key in properties if ":publication." in key)
        return key, json.loads(properties[key])
