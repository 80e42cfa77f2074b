"""
From one configuration to the next: what ctld does to the kernel, in its order.

Order: tags, ports removed, LUNs removed, LUNs modified or added, ports added or updated. The
sockets are the caller's. Source: usr.sbin/ctld/ctld.cc conf_apply(), kernel.cc.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator import ctl_messages as msg
from tests.simulator.ctl.config import AuthGroup, Config, Lun, Port, PortalGroup, Target
from tests.simulator.ctl.kernel import UNMAPPED, CtlError, CtlKernel, NoSuchPort
from tests.simulator.ctl.tables import KernelLun, LunRequest

_DEVICE_NOT_CONFIGURED = "Device not configured"
_FIRST_TAG = 256


class Tags:
    """Portal group tags of one ctld process: kept by name, new ones counted from 256."""

    def __init__(self) -> None:
        self._next = _FIRST_TAG

    def assign(self, old: Config, new: Config) -> None:
        for group in new.portal_groups.values():
            if group.tag != 0:
                continue
            previous = old.portal_groups.get(group.name)
            if previous is not None:
                group.tag = previous.tag
            else:
                group.tag = self._next
                self._next += 1


def from_kernel(kernel: CtlKernel) -> Config:
    """
    Return the configuration a starting ctld finds in the kernel: its own LUNs and ports.

    LUNs without `ctld_name` were made by someone else and are left out; LUN maps are not read.
    """
    config = Config()
    for port in kernel.ports.values():
        if port.frontend != "iscsi" or port.target is None:
            continue
        group_name = port.options.get("ctld_portal_group_name", "")
        group = config.portal_groups.setdefault(group_name, PortalGroup(group_name))
        group.tag = port.physical
        target = config.targets.setdefault(port.target, Target(port.target))
        found = _KernelPort(f"{group_name}-{target.name}", target, group, ctl_port=port.id)
        config.ports[found.name.lower()] = found
        target.ports.append(found)
    for lun in kernel.luns.values():
        name = lun.options.get("ctld_name")
        if name is not None:
            config.luns[name] = _lun_from_kernel(name, lun)
    return config


class _KernelPort(Port):
    """A port that exists, although nothing is known of its portals."""

    @property
    def dummy(self) -> bool:
        return False


def _lun_from_kernel(name: str, lun: KernelLun) -> Lun:
    return Lun(
        name,
        backend=lun.backend,
        path=lun.options.get("file"),
        blocksize=lun.blocksize,
        size=lun.size_bytes,
        serial=lun.serial,
        device_id=lun.device_id,
        device_type=lun.device_type,
        ctl_lun=lun.id,
        options={k: v for k, v in lun.options.items() if k != "file"},
    )


class Applier:
    """Applies one change of configuration. ERRORS counts what ctld counts (ports do not)."""

    def __init__(self, kernel: CtlKernel, release: str, log: Callable[[str], None]) -> None:
        self._kernel = kernel
        self._strict = not release.startswith("14")
        self._log = log
        self.errors = 0

    def apply(self, old: Config, new: Config) -> None:
        """Change the kernel from OLD to NEW. What fails is dropped from NEW and logged."""
        for port in list(old.ports.values()):
            successor = new.find_port(port.name)
            if not port.dummy and (successor is None or successor.dummy):
                self._remove_port(port)
        for lun in list(old.luns.values()):
            self._retire_lun(old, new, lun)
        for lun in list(new.luns.values()):
            self._install_lun(old, new, lun)
        for port in list(new.ports.values()):
            if not port.dummy:
                self._install_port(old, new, port)

    def _fail(self, *texts: str) -> None:
        for text in texts:
            self._log(text)
        self.errors += 1

    # --- LUNs ---

    def _retire_lun(self, old: Config, new: Config, lun: Lun) -> None:
        """Remove LUN from the kernel if it is gone or changed in what cannot be modified."""
        successor = new.luns.get(lun.name)
        if successor is not None and not self._changed(lun, successor):
            successor.ctl_lun = lun.ctl_lun
            return
        try:
            self._kernel.remove_lun(lun.backend or "block", lun.ctl_lun)
        except CtlError as error:
            failed = msg.FAILED_TO_REMOVE_LUN.format(lun.name, lun.ctl_lun)
            self._fail(msg.LUN_REMOVAL_ERROR.format(error), failed)
        if successor is not None:
            old.drop_lun(lun)

    def _changed(self, old: Lun, new: Lun) -> bool:
        """
        Tell whether NEW cannot be had by modifying OLD.

        Before 15 a value that NEW leaves unset is no change.
        """
        if old.backend != new.backend or old.blocksize != new.blocksize:
            return True
        pairs = (
            (old.device_id, new.device_id),
            (old.path, new.path),
            (old.serial, new.serial),
        )
        return any(a != b and (self._strict or b is not None) for a, b in pairs)

    def _install_lun(self, old: Config, new: Config, lun: Lun) -> None:
        if lun.name in old.luns:
            self._modify_lun(lun)
        else:
            self._add_lun(new, lun)

    def _modify_lun(self, lun: Lun) -> None:
        try:
            warning = self._kernel.modify_lun(lun.backend or "block", lun.ctl_lun, _options(lun), lun.size)
        except CtlError as error:
            failed = msg.FAILED_TO_MODIFY_LUN.format(lun.name, lun.ctl_lun)
            self._fail(msg.LUN_MODIFICATION_ERROR.format(error), failed)
            return
        if warning:
            self._log(msg.LUN_MODIFICATION_WARNING.format(warning))

    def _add_lun(self, new: Config, lun: Lun) -> None:
        request = LunRequest(
            backend=lun.backend or "block",
            options=_options(lun),
            size_bytes=lun.size,
            blocksize=lun.blocksize,
            serial=lun.serial,
            device_id=lun.device_id,
            device_type=lun.device_type,
            lun_id=lun.ctl_lun if lun.ctl_lun >= 0 else None,
        )
        try:
            created, warning = self._kernel.create_lun(request)
        except CtlError as error:
            self._fail(msg.LUN_CREATION_ERROR.format(error), msg.FAILED_TO_ADD_LUN.format(lun.name))
            new.drop_lun(lun)
            return
        if warning:
            self._log(msg.LUN_CREATION_WARNING.format(warning))
        lun.ctl_lun = created.id

    # --- ports ---

    def _remove_port(self, port: Port) -> None:
        try:
            self._kernel.remove_port(port.target.name, port.portal_group.tag)
        except CtlError as error:
            self._log(msg.PORT_REMOVAL_ERROR.format(error))
            self._log(msg.FAILED_TO_REMOVE_PORT.format(port.name))

    def _install_port(self, old: Config, new: Config, port: Port) -> None:
        previous = old.find_port(port.name)
        if previous is None or previous.dummy:
            self._add_port(new, port)
        else:
            port.ctl_port = previous.ctl_port
            self._update_port(port, previous)

    def _add_port(self, new: Config, port: Port) -> None:
        tag = port.portal_group.tag
        try:
            created = self._kernel.create_port(port.target.name, tag, _port_options(port))
        except CtlError as error:
            self._log(msg.PORT_CREATION_ERROR.format(error))
            self._log(msg.FAILED_TO_ADD_PORT.format(port.name))
            new.drop_port(port)
            return
        port.ctl_port = created.id
        for number, lun in sorted(port.target.luns.items()):
            self._map(port, number, lun.ctl_lun)
        self._kernel.set_online(created.id, online=True)

    def _update_port(self, port: Port, previous: Port) -> None:
        wanted = {n: lun.ctl_lun for n, lun in port.target.luns.items()}
        present = {n: lun.ctl_lun for n, lun in previous.target.luns.items()}
        for number in sorted(wanted.keys() | present.keys()):
            lun_id = wanted.get(number, UNMAPPED)
            if lun_id != present.get(number, UNMAPPED):
                self._map(port, number, lun_id)

    def _map(self, port: Port, number: int, lun_id: int) -> None:
        try:
            self._kernel.map_lun(port.ctl_port, number, lun_id)
        except NoSuchPort:
            self._log(msg.LUN_MAP_FAILED.format(_DEVICE_NOT_CONFIGURED))


def _options(lun: Lun) -> dict[str, str]:
    """Return the option list sent to the kernel: path and name first, then the file's own."""
    options = {} if lun.path is None else {"file": lun.path}
    options |= {"ctld_name": lun.name, "scsiname": lun.name}
    return options | lun.options


def _port_options(port: Port) -> dict[str, str]:
    options = {
        "cfiscsi_target": port.target.name,
        "ctld_portal_group_name": port.portal_group.name,
        "cfiscsi_portal_group_tag": str(port.portal_group.tag),
    }
    if port.target.alias:
        options["cfiscsi_target_alias"] = port.target.alias
    return options | port.portal_group.options


def auth_group_of(port: Port) -> AuthGroup:
    """Return who may log in through PORT: the port's own group, else the target's."""
    group = port.auth_group or port.target.auth_group
    if group is None:
        raise ValueError(f"{port.name} was not verified")
    return group
