"""
The seam to whatever brings a remote volume to this machine as a block device.

A device is known by where it comes from (target and LUN) and by the serial number it shows itself,
never by when or under which name it appeared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from csi_driver.node.model import IscsiAttachment
    from csi_driver.storage.model import Chap


@dataclass(frozen=True, slots=True)
class Attached:
    """A device on this machine and the target it comes from; `alive` if the target still answers."""

    target: str
    device: str
    alive: bool


@dataclass(frozen=True, slots=True)
class Link:
    """One way from this machine to a target, through the portal `address:port`; `alive` if the target answers."""

    target: str
    portal: str
    alive: bool


class Attacher(Protocol):
    """
    Attaches and detaches. `deadline` is a `time.monotonic()` value; all raise `DriverError`.

    Only what was attached under this cluster's own initiator name is ever seen or touched.
    """

    def attach(self, attachment: IscsiAttachment, *, chap: Chap | None = None, deadline: float) -> str:
        """
        Return the path of the volume's device, attached now or before.

        `chap` is what the target has to be logged in to with, if anything.
        """
        ...

    def find(self, attachment: IscsiAttachment, *, deadline: float) -> str | None:
        """Return the path of the volume's device if it is attached and answers, else None."""
        ...

    def rescan(self, target: str, *, deadline: float) -> None:
        """Let the devices that come from the target show their present sizes."""
        ...

    def with_serial(self, serial: str, *, deadline: float) -> tuple[Attached, ...]:
        """Return every device that shows the serial number, whichever target it comes from."""
        ...

    def on_device(self, number: str, *, deadline: float) -> tuple[Attached, ...]:
        """Return the attached device whose `major:minor` is the number, if there is one."""
        ...

    def of_target(self, target: str, *, deadline: float) -> tuple[Attached, ...]:
        """Return the devices that come from the target."""
        ...

    def links(self, *, deadline: float) -> tuple[Link, ...]:
        """Return every way to every target that this machine has, or is about to have again."""
        ...

    def detach(self, target: str, *, deadline: float) -> None:
        """End every session with the target and forget it; on return its devices are gone."""
        ...
