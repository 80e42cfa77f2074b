"""
The XML the kernel makes of its tables; `ctladm ... -x` prints it verbatim.

Only serial and device id are escaped, as in sys/cam/ctl/ctl.c: an option value with `<` breaks
the document there, and here.
"""

from __future__ import annotations

from tests.simulator.ctl.kernel import CtlKernel
from tests.simulator.ctl.tables import NUM_THREADS, KernelLun, KernelPort, Session

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def _element(name: str, value: object) -> str:
    return f"\t<{name}>{value}</{name}>\n"


def device_list(kernel: CtlKernel) -> str:
    """Return what CTL_LUN_LIST gives."""
    return f"<ctllunlist>\n{''.join(map(_lun, kernel.luns.values()))}</ctllunlist>\n"


def _lun(lun: KernelLun) -> str:
    fields: list[tuple[str, object]] = [
        ("backend_type", lun.backend),
        ("lun_type", lun.device_type),
        ("size", lun.blocks),
        ("blocksize", lun.blocksize),
        ("serial_number", lun.serial.translate(_ESCAPES)),
        ("device_id", lun.device_id.translate(_ESCAPES)),
    ]
    if lun.backend == "block":
        fields.append(("num_threads", lun.options.get("num_threads", NUM_THREADS)))
    fields += [(name, value) for name, value in lun.options.items()]
    body = "".join(_element(name, value) for name, value in fields)
    return f'<lun id="{lun.id}">\n{body}</lun>\n'


def port_list(kernel: CtlKernel) -> str:
    """Return what CTL_PORT_LIST gives."""
    return f"<ctlportlist>\n{''.join(map(_port, kernel.ports.values()))}</ctlportlist>\n"


def _port(port: KernelPort) -> str:
    body = _element("frontend_type", port.frontend) + _element("port_type", port.type)
    body += _element("online", "YES" if port.online else "NO")
    body += _element("port_name", port.name) + _element("physical_port", port.physical)
    body += _element("virtual_port", port.virtual)
    if port.target is not None:
        body += _element("target", port.target)
    if port.port is not None:
        body += _element("port", port.port)
    if port.frontend == "iscsi":
        body += _element("cfiscsi_state", 1)
    body += "".join(_element(name, value) for name, value in port.options.items())
    if port.lun_map is not None:
        body += _element("lun_map", "on")
        body += "".join(f'\t<lun id="{n}">{lun}</lun>\n' for n, lun in port.lun_map.items())
    for slot, name in sorted(port.initiators.items()):
        body += f'\t<initiator id="{slot}">{name}</initiator>\n'
    return f'<targ_port id="{port.id}">\n{body}</targ_port>\n'


def session_fields(session: Session) -> list[tuple[str, object]]:
    """Return a session's elements in the kernel's order."""
    return [
        ("initiator", session.initiator),
        ("initiator_addr", session.address),
        ("initiator_alias", session.alias),
        ("target", session.target),
        ("target_alias", session.target_alias),
        ("target_portal_group_tag", session.tag),
        ("header_digest", "None"),
        ("data_digest", "None"),
        ("max_recv_data_segment_length", 262144),
        ("max_send_data_segment_length", 262144),
        ("max_burst_length", 2097152),
        ("first_burst_length", 262144),
        ("immediate_data", 1),
        ("iser", 0),
        ("offload", "None"),
    ]


def session_list(kernel: CtlKernel) -> str:
    """Return what CTL_ISCSI_LIST gives: one line per session."""
    lines = [
        f'<connection id="{session.id}">'
        + "".join(f"<{name}>{value}</{name}>" for name, value in session_fields(session))
        + "</connection>\n"
        for session in kernel.sessions.values()
    ]
    return f"<ctlislist>\n{''.join(lines)}</ctlislist>\n"
