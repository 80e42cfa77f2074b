"""The real bytes of simulated volumes: read and written where a LUN would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.properties.model import PLACES, TAG_BYTES, Content

if TYPE_CHECKING:
    from tests.harness.stack import Stack
    from tests.simulator.host import SimulatedHost

UUID = "org.freebsd.storage:uuid"


class Disks:
    """Finds the devices of volumes on the simulated host by their uuid, as a person would with zfs get."""

    def __init__(self, stack: Stack, host: SimulatedHost | None = None) -> None:
        self._host = host or stack.host
        self._zvols = Path(self._host.info["control"]).parent / "dev" / "zvol"

    def devices(self) -> dict[str, Path]:
        """The device of every volume, by uuid; what lies in the trash is not among them."""
        found: dict[str, Path] = {}
        for name, dataset in self._host.control("state")["datasets"].items():
            uuid = dataset["properties"].get(UUID)
            if uuid is not None and "@" not in name and "trash_" not in name:
                found[uuid] = self._zvols / name
        return found


def read(device: Path) -> tuple[int, Content]:
    """Return the size of a device and what stands at the places looked at."""
    with device.open("rb") as file:
        content = []
        for place in PLACES:
            file.seek(place)
            content.append(file.read(TAG_BYTES))
        return file.seek(0, 2), tuple(content)


def write(device: Path, place: int, tag: bytes) -> None:
    """Write to one place."""
    with device.open("r+b") as file:
        file.seek(PLACES[place])
        file.write(tag)
