"""
CTL as the kernel keeps it: LUNs, target ports, LUN maps, sessions.

Knows no ctl.conf and no ctld. Everything here survives ctld's death and ends with a reboot. Sources: sys/cam/ctl/ctl.c,
ctl_backend_block.c, ctl_frontend_iscsi.c. What differs from the source is said where it does.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.media import Media, Medium, NotADisk, freebsd_errno
from tests.simulator.ctl.tables import KernelLun, KernelPort, LunRequest, Session

_ENOSPC = 28
UNMAPPED = 0xFFFFFFFF


class CtlError(Exception):
    """A request the kernel refuses; the text is its error_str."""


class NoSuchPort(Exception):
    """ENXIO: the ioctl names a port that does not exist."""


class CtlKernel:
    """The kernel's tables and the requests that change them."""

    def __init__(self, media: Media, *, max_luns: int = 1024, max_ports: int = 256) -> None:
        self.media = media
        self.max_luns = max_luns
        self.max_ports = max_ports
        self.luns: dict[int, KernelLun] = {}
        self.ports: dict[int, KernelPort] = {}
        self.sessions: dict[int, Session] = {}
        self._last_session = 0
        self._last_target = 0
        self._last_lun = 0
        self._add_builtin_ports()

    def _add_builtin_ports(self) -> None:
        """The ports that exist without ctld: camsim, ioctl, tpc."""
        self.ports[0] = KernelPort(0, "camsim", 8, "camsim", target="naa.5000000528d7aa00", port="naa.5000000528d7aa01")
        self.ports[1] = KernelPort(1, "ioctl", 4, "ioctl", online=True)
        self.ports[2] = KernelPort(2, "tpc", 8, "tpc", online=True)

    # --- LUNs ---

    def create_lun(self, request: LunRequest) -> tuple[KernelLun, str | None]:
        """
        Create a LUN and return it, with the warning if its medium cannot be opened.

        Raises CtlError when it is refused.
        """
        _check_backend(request.backend)
        count = len(self.luns)
        lun = KernelLun(
            id=-1,
            backend=request.backend,
            blocksize=request.blocksize or (2048 if request.device_type == 5 else 512),
            serial=_cut(request.serial, 16) or f"MYSERIAL{count:04d}",
            device_id=_cut(request.device_id, 64) or f"MYDEVID{count:04d}",
            device_type=request.device_type,
            options=dict(request.options),
            explicit_size_bytes=request.size_bytes,
        )
        self._last_lun += 1
        lun.serial_of_creation = self._last_lun
        lun.id = self._free_lun_id(request.lun_id)
        warning = self._open(lun)
        self.luns[lun.id] = lun
        self.luns = dict(sorted(self.luns.items()))
        return lun, warning

    def _free_lun_id(self, wanted: int | None) -> int:
        free = (n for n in range(self.max_luns) if n not in self.luns)
        number = next(free, None) if wanted is None else wanted
        if number is None or number in self.luns or not 0 <= number < self.max_luns:
            raise CtlError(msg.ADD_LUN_FAILED.format(_ENOSPC))
        return number

    def modify_lun(self, backend: str, lun_id: int, options: dict[str, str], size_bytes: int = 0) -> str | None:
        """Replace the options and read the medium again; return the warning if that fails."""
        lun = self._lun(backend, lun_id)
        lun.options = dict(options)
        if size_bytes:
            lun.explicit_size_bytes = size_bytes
        try:
            return self._open(lun)
        except CtlError as error:
            return str(error)

    def remove_lun(self, backend: str, lun_id: int) -> None:
        lun = self._lun(backend, lun_id)
        self._close(lun)
        del self.luns[lun.id]

    def _lun(self, backend: str, lun_id: int) -> KernelLun:
        _check_backend(backend)
        lun = self.luns.get(lun_id)
        if lun is None or lun.backend != backend:
            raise CtlError(msg.NOT_MANAGED.format(lun_id, backend))
        return lun

    def _open(self, lun: KernelLun) -> str | None:
        """
        Open LUN's medium unless it is open, and read its size.

        A path that cannot be opened is a warning only; a medium that does not fit raises CtlError.
        """
        lun.size_bytes = lun.explicit_size_bytes
        if lun.backend == "ramdisk":
            return None
        if lun.medium is None:
            warning = self._open_file(lun)
            if lun.medium is None:
                return warning
        try:
            size_bytes = self.media.size(lun.medium)
            _check_fit(lun, lun.medium, size_bytes)
        except CtlError:
            self._close(lun)
            raise
        except OSError as error:
            path = lun.medium.path
            self._close(lun)
            return msg.ERROR_OPENING.format(path, freebsd_errno(error))
        lun.size_bytes = lun.explicit_size_bytes or size_bytes
        return None

    def _open_file(self, lun: KernelLun) -> str | None:
        path = lun.options.get("file")
        if path is None:
            return msg.NO_FILE_ARGUMENT
        write = lun.options.get("readonly", "off") != "on"
        try:
            lun.medium = self.media.open(path, write=write, holder=lun.holder)
        except NotADisk as error:
            return msg.NOT_A_DISK.format(error)
        except OSError as error:
            return msg.ERROR_OPENING.format(path, freebsd_errno(error))
        return None

    def _close(self, lun: KernelLun) -> None:
        if lun.medium is not None:
            self.media.close(lun.medium)
            lun.medium = None

    def power_off(self) -> None:
        """Everything ends at once: sessions, and what is open."""
        for session in list(self.sessions.values()):
            self.end_session(session)
        for lun in self.luns.values():
            self._close(lun)

    # --- ports ---

    def create_port(self, target: str, tag: int, options: dict[str, str]) -> KernelPort:
        """Create the iSCSI port of TARGET in the portal group of TAG, offline and unmapped."""
        if self.find_port(target, tag) is not None:
            raise CtlError(msg.PORT_EXISTS.format(target, tag))
        number = next((n for n in range(self.max_ports) if n not in self.ports), None)
        if number is None:
            raise CtlError(msg.PORT_REGISTER_FAILED.format(1))
        if not any(port.frontend == "iscsi" for port in self.ports.values()):
            self._last_target = 0
        self._last_target += 1
        port = KernelPort(
            number,
            "iscsi",
            16,
            "iscsi",
            physical=tag,
            virtual=self._last_target,
            target=target,
            port=f"{target},t,0x{tag:04x}",
            options=options,
            lun_map={},
        )
        self.ports[number] = port
        self.ports = dict(sorted(self.ports.items()))
        return port

    def find_port(self, target: str, tag: int) -> KernelPort | None:
        for port in self.ports.values():
            if port.target == target and port.physical == tag and port.frontend == "iscsi":
                return port
        return None

    def remove_port(self, target: str, tag: int) -> None:
        """Remove a port; its sessions end at once."""
        port = self.find_port(target, tag)
        if port is None:
            raise CtlError(msg.PORT_NOT_FOUND.format(target))
        self.set_online(port.id, online=False)
        del self.ports[port.id]

    def set_online(self, port_id: int, *, online: bool) -> None:
        """Switch a port; going offline ends its sessions."""
        port = self.port(port_id)
        port.online = online
        if not online:
            for session in [s for s in self.sessions.values() if s.port_id == port_id]:
                self.end_session(session)

    def port(self, port_id: int) -> KernelPort:
        if port_id not in self.ports:
            raise NoSuchPort(port_id)
        return self.ports[port_id]

    def map_lun(self, port_id: int, number: int, lun_id: int) -> None:
        """
        Map NUMBER, as initiators see it, to LUN_ID.

        UNMAPPED as LUN_ID takes it out; as NUMBER it enables the map as a whole, or drops it
        (every LUN is then seen) if LUN_ID is UNMAPPED too.
        """
        port = self.port(port_id)
        if number == UNMAPPED:
            port.lun_map = None if lun_id == UNMAPPED else port.lun_map or {}
            return
        if lun_id != UNMAPPED and lun_id not in self.luns:
            raise NoSuchPort(lun_id)
        current = {n: n for n in self.luns} if port.lun_map is None else port.lun_map
        changed = {n: lun for n, lun in current.items() if n != number}
        if lun_id != UNMAPPED:
            changed[number] = lun_id
        port.lun_map = dict(sorted(changed.items()))

    # --- sessions ---

    def begin_session(self, port: KernelPort, initiator: str, address: str, close: Callable[[], None]) -> Session:
        """Take over a logged-in connection (CTL_ISCSI_HANDOFF). PORT must be online."""
        if not port.online or port.target is None:
            raise CtlError("port offline")
        self._last_session += 1
        slot = next(n for n in range(len(port.initiators) + 1) if n not in port.initiators)
        session = Session(
            self._last_session,
            initiator,
            address,
            port.target,
            port.physical,
            port.id,
            close,
            alias=initiator.rpartition(":")[2],
            target_alias=port.options.get("cfiscsi_target_alias", ""),
            initiator_slot=slot,
        )
        port.initiators[slot] = session.initiator_port
        self.sessions[session.id] = session
        return session

    def end_session(self, session: Session) -> None:
        """Forget SESSION and close its connection; nothing happens when it is gone already."""
        if self.sessions.pop(session.id, None) is None:
            return
        port = self.ports.get(session.port_id)
        if port is not None:
            port.initiators.pop(session.initiator_slot, None)
        session.close()

    def matching_sessions(
        self, *, everything: bool = False, session_id: int = -1, initiator: str = "", address: str = ""
    ) -> list[Session]:
        """Return the sessions that a logout or terminate request means. Raises CtlError if none."""
        found = [
            s
            for s in self.sessions.values()
            if everything or s.id == session_id or s.initiator == initiator or s.address == address
        ]
        if not found:
            raise CtlError(msg.NO_CONNECTIONS)
        return found

    def session_luns(self, session: Session) -> list[tuple[int, KernelLun]]:
        """Return (number, LUN) of every LUN the session sees."""
        port = self.port(session.port_id)
        return [(number, self.luns[lun_id]) for number, lun_id in (port.lun_map or {}).items() if lun_id in self.luns]


def _check_backend(backend: str) -> None:
    if backend not in ("block", "ramdisk"):
        raise CtlError(msg.UNKNOWN_BACKEND.format(backend))


def _check_fit(lun: KernelLun, medium: Medium, size_bytes: int) -> None:
    """
    Refuse a medium whose blocks or size do not fit what was asked for.

    Stored kernels differ in whether this makes the request fail or leaves a LUN without medium;
    the stricter reading is taken.
    """
    if medium.device:
        _check_blocksize(lun.blocksize, medium.sector_bytes)
        if lun.explicit_size_bytes > size_bytes:
            raise CtlError(msg.SIZE_OVER_DEVICE.format(lun.explicit_size_bytes, size_bytes))
    elif size_bytes < lun.blocksize:
        path = lun.options["file"]
        raise CtlError(msg.FILE_SMALLER_THAN_BLOCK.format(path, size_bytes, lun.blocksize))


def _check_blocksize(wanted: int, actual: int) -> None:
    if wanted < actual:
        raise CtlError(msg.BLOCKSIZE_UNDER_DEVICE.format(wanted, actual))
    if wanted % actual != 0:
        raise CtlError(msg.BLOCKSIZE_NOT_MULTIPLE.format(wanted, actual))


def _cut(value: str | None, size: int) -> str | None:
    """Return VALUE as a fixed field of SIZE bytes keeps it."""
    if value is None:
        return None
    return value.encode("utf-8", "surrogateescape")[:size].decode("utf-8", "surrogateescape")
