"""The rows of the kernel's CTL tables: LUNs, target ports, sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulator.ctl.media import Medium

NUM_THREADS = 32


@dataclass
class LunRequest:
    """What CTL_LUNREQ_CREATE carries; None and 0 mean "not given"."""

    backend: str
    options: dict[str, str]
    size_bytes: int = 0
    blocksize: int = 0
    serial: str | None = None
    device_id: str | None = None
    device_type: int = 0
    lun_id: int | None = None


@dataclass
class KernelLun:
    """A LUN. EXPLICIT_SIZE_BYTES, once given, hides the device's own size until re-creation."""

    id: int
    backend: str
    blocksize: int
    serial: str
    device_id: str
    device_type: int
    options: dict[str, str]
    explicit_size_bytes: int = 0
    medium: Medium | None = None
    size_bytes: int = 0
    serial_of_creation: int = 0

    @property
    def holder(self) -> str:
        """How the LUN is named as the one who keeps its medium busy."""
        return f"ctl:{self.serial_of_creation}"

    @property
    def blocks(self) -> int:
        """The size as the kernel lists it: it prints 0 for a disk of one block too."""
        count = self.size_bytes // self.blocksize
        return count if count > 1 else 0

    @property
    def writable(self) -> bool:
        return self.medium is not None and self.medium.writable


@dataclass
class KernelPort:
    """A target port. LUN_MAP None means "every LUN" (the built-in ports)."""

    id: int
    frontend: str
    type: int
    name: str
    physical: int = 0
    virtual: int = 0
    online: bool = False
    target: str | None = None
    port: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    lun_map: dict[int, int] | None = None
    initiators: dict[int, str] = field(default_factory=dict)


@dataclass
class Session:
    """One logged-in initiator. CLOSE ends its connection; it is called once."""

    id: int
    initiator: str
    address: str
    target: str
    tag: int
    port_id: int
    close: Callable[[], None]
    alias: str = ""
    target_alias: str = ""
    initiator_slot: int = 0

    @property
    def initiator_port(self) -> str:
        """The initiator's name with its ISID: what a port lists for it."""
        return f"{self.initiator},i,0x00023d{self.id & 0xFFFFFF:06x}"
