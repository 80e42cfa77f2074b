"""The plain tables of `ctladm devlist | portlist | islist`. Source: usr.sbin/ctladm/ctladm.c."""

from __future__ import annotations

from dataclasses import dataclass

from tests.simulator.ctl.kernel import CtlKernel
from tests.simulator.ctl.tables import NUM_THREADS, KernelLun, KernelPort
from tests.simulator.ctl.xml import session_fields

_SESSION_LABELS = {
    "initiator": "Initiator name:",
    "initiator_addr": "Initiator portal:",
    "initiator_alias": "Initiator alias:",
    "target": "Target name:",
    "target_alias": "Target alias:",
    "header_digest": "Header digest:",
    "data_digest": "Data digest:",
    "max_recv_data_segment_length": "MaxRecvDataSegmentLength:",
    "max_send_data_segment_length": "MaxSendDataSegmentLength:",
    "max_burst_length": "MaxBurstLen:",
    "first_burst_length": "FirstBurstLen:",
    "immediate_data": "ImmediateData:",
    "iser": "iSER (RDMA):",
    "offload": "Offload driver:",
}


def devices(kernel: CtlKernel, *, backend: str | None = None, verbose: bool = False) -> str:
    """Return the table of LUNs, those of BACKEND only if given."""
    text = f"LUN Backend  {'Size (Blocks)':>18} {'BS':>4} {'Serial Number':<16} {'Device ID':<16}\n"
    for lun in kernel.luns.values():
        if backend in (None, lun.backend):
            text += _device(lun) + (_device_options(lun) if verbose else "")
    return text


def _device(lun: KernelLun) -> str:
    row = f"{lun.id:>3} {lun.backend:<8} {lun.blocks:>18} {lun.blocksize:>4} "
    return row + f"{lun.serial:<16} {lun.device_id:<16}\n"


def _device_options(lun: KernelLun) -> str:
    fixed = {"lun_type": str(lun.device_type)}
    if lun.backend == "block":
        fixed["num_threads"] = str(NUM_THREADS)
    return "".join(f"      {name}={value}\n" for name, value in (fixed | lun.options).items())


@dataclass(frozen=True)
class PortDetails:
    """Which lines each port has in the table."""

    header: bool = True
    initiators: bool = False
    luns: bool = False
    options: bool = False


def ports(kernel: CtlKernel, details: PortDetails, *, frontend: str | None = None, port_id: int | None = None) -> str:
    """Return the table of ports, one FRONTEND's or PORT_ID's only if given."""
    text = "Port Online Frontend Name     pp vp\n" if details.header else ""
    for port in kernel.ports.values():
        if frontend in (None, port.frontend) and port_id in (None, port.id):
            text += _port_row(port)
            text += _port_initiators(port) if details.initiators else ""
            text += _port_luns(port) if details.luns else ""
            text += _port_options(port) if details.options else ""
    return text


def _port_row(port: KernelPort) -> str:
    online = "YES" if port.online else "NO"
    return (
        f"{port.id:<4} {online:<6} {port.frontend:<8} {port.name:<8} "
        f"{port.physical:<2} {port.virtual:<2} {port.port or ''}\n"
    )


def _port_initiators(port: KernelPort) -> str:
    text = f"  Target: {port.target}\n" if port.target else ""
    return text + "".join(f"  Initiator {slot}: {name}\n" for slot, name in sorted(port.initiators.items()))


def _port_luns(port: KernelPort) -> str:
    if port.lun_map is None:
        return "  All LUNs mapped\n"
    if not port.lun_map:
        return "  No LUNs mapped\n"
    return "".join(f"  LUN {number}: {lun}\n" for number, lun in port.lun_map.items())


def _port_options(port: KernelPort) -> str:
    fixed = {"port_type": str(port.type)}
    if port.frontend == "iscsi":
        fixed["cfiscsi_state"] = "1"
    return "".join(f"      {name}={value}\n" for name, value in (fixed | port.options).items())


def sessions(kernel: CtlKernel, *, verbose: bool = False) -> str:
    """Return the table of iSCSI sessions, or one paragraph each."""
    if verbose:
        return "".join(
            f"{'Session ID:':<25}{session.id}\n"
            + "".join(
                f"{_SESSION_LABELS[name]:<25}{_shown(name, value)}\n"
                for name, value in session_fields(session)
                if name in _SESSION_LABELS
            )
            + "\n"
            for session in kernel.sessions.values()
        )
    rows = [("ID", "Portal", "Initiator name", "Target name")]
    rows += [(str(s.id), s.address, s.initiator, s.target) for s in kernel.sessions.values()]
    return "".join(f"{a:>4} {b:<16} {c:<36} {d:<36}\n" for a, b, c, d in rows)


def _shown(name: str, value: object) -> str:
    if name in ("immediate_data", "iser"):
        return "Yes" if value else "No"
    return str(value)
