"""
No parser breaks on what a command says, however odd: it makes a value of it or raises its own kind of error.

The texts are real output with pieces cut out, doubled, exchanged and put in.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.freebsd.storage.plugins.module_utils._ctl import conf, remember
from ansible_collections.freebsd.storage.plugins.module_utils._ctl import parse as ctl
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import parse as zfs
from ansible_collections.freebsd.storage.plugins.module_utils._zfs import pools, properties
from ansible_collections.freebsd.storage.plugins.module_utils.command import Completed
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError
from csi_driver.errors import DriverError
from csi_driver.node.attach import iscsi_sessions
from csi_driver.node.mounts import mountinfo
from csi_driver.orchestrator import results
from csi_driver.storage.ids import GroupId, NodeId, SnapshotId, VolumeId

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = int(os.environ.get("EXAMPLES", "25")) * 20
PARENT, OWNER = "tank/csi", "demo"
PREFIX = "org.freebsd.storage:"
UUID = "0b4e4e5fa57fdfe8664de6bd10cdd047"

ZFS_GET = "\n".join(
    f"{name}\t{key}\t{value}\tlocal"
    for name, key, value in (
        (PARENT, "type", "filesystem"),
        (PARENT, "guid", "8739572452489390132"),
        (f"{PARENT}/a", "type", "volume"),
        (f"{PARENT}/a", "volsize", "1048576"),
        (f"{PARENT}/a", "volblocksize", "16384"),
        (f"{PARENT}/a", "origin", "-"),
        (f"{PARENT}/a", f"{PREFIX}schema", "1"),
        (f"{PARENT}/a", f"{PREFIX}uuid", UUID),
        (f"{PARENT}/a", f"{PREFIX}owner", "demo:8739572452489390132"),
        (f"{PARENT}/a", f"{PREFIX}name", "a%20b"),
        (f"{PARENT}/a", f"{PREFIX}parameters", '{"attributes":{},"blocksize":512,"properties":{},"thin":true}'),
        (f"{PARENT}/a", f"{PREFIX}publication.77dd8e177cc0", '{"node":"n","token":"x","mode":"single_node_writer"}'),
        (f"{PARENT}/a@s", "type", "snapshot"),
        (f"{PARENT}/a@s", "creation", "1764000000"),
        (f"{PARENT}/a@s", "volsize", "1048576"),
        (f"{PARENT}/a@s", f"{PREFIX}snapshot-uuid", UUID),
        (f"{PARENT}/a@s", f"{PREFIX}snapshot-name", "s"),
        (f"{PARENT}/a@s", f"{PREFIX}owner", "demo:8739572452489390132"),
    )
)
PORTS = (
    '<ctlportlist>\n<targ_port id="3">\n\t<frontend_type>iscsi</frontend_type>\n\t<port_type>16</port_type>\n'
    "\t<online>YES</online>\n\t<port_name>iqn.1994-09.org.freebsd.csi:demo.x,t,0x0001</port_name>\n"
    '\t<target>iqn.1994-09.org.freebsd.csi:demo.x</target>\n\t<lun id="0">1</lun>\n</targ_port>\n</ctlportlist>\n'
)
LUNS = (
    '<ctllunlist>\n<lun id="1">\n\t<backend_type>block</backend_type>\n\t<size>2048</size>\n'
    "\t<blocksize>512</blocksize>\n\t<ctld_name>demo:x</ctld_name>\n\t<scbus>-1</scbus>\n</lun>\n</ctllunlist>\n"
)
SESSIONS = (
    '<ctlislist>\n<connection id="2">\n\t<initiator>iqn.1994-09.org.freebsd.csi:demo:n</initiator>\n'
    "\t<target>iqn.1994-09.org.freebsd.csi:demo.x</target>\n</connection>\n</ctlislist>\n"
)
CTL_CONF = 'portal-group "x" {\n}\n# BEGIN freebsd.storage demo\ntarget "iqn" {\n}\n# END freebsd.storage demo\n'
ZPOOL_STATUS = (
    "  pool: tank\n state: ONLINE\nstatus: One\n\tor more.\naction: Wait.\nconfig:\n\nerrors: No known data errors\n"
)
MOUNTINFO = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n99 22 7:0 / /mnt/a\\040b rw - xfs /dev/loop0 rw\n"
ISCSI = "tcp: [1] 127.0.0.1:3260,1 iqn.1994-09.org.freebsd.csi:demo.x (non-flash)\n"
TROUBLE = (
    "cannot create 'tank/csi/a': out of space\n",
    "cannot open 'tank/csi/a': dataset does not exist\n",
    "cannot destroy 'tank/csi/a': dataset is busy\n",
    "ctld: /etc/ctl.conf: syntax error at line 7\n",
)


def outputs(*samples: str) -> st.SearchStrategy[str]:
    """Texts like the samples."""
    pieces = [piece for sample in samples for piece in sample.splitlines(keepends=True)]
    words = [word for sample in samples for word in sample.replace("\n", "\t").split("\t")]
    odd = st.one_of(
        st.text(max_size=20), st.sampled_from(["", "\x00", "\t\t\t", "<", "&#x0;", "-1", "9" * 30, "{", "]"])
    )
    edited = st.sampled_from(samples).flatmap(
        lambda text: st.tuples(st.integers(0, len(text)), st.integers(0, 40), odd).map(
            lambda edit: text[: edit[0]] + edit[2] + text[edit[0] + edit[1] :]
        )
    )
    mixed = st.lists(st.one_of(st.sampled_from(pieces), st.sampled_from(words), odd), max_size=12).map("".join)
    return st.one_of(edited, mixed)


def completed(*samples: str) -> st.SearchStrategy[Completed]:
    """Commands that ended somehow, and said something like the samples on either stream."""
    streams = outputs(*samples)
    return st.tuples(st.integers(-15, 255), streams, streams, st.booleans()).map(
        lambda ended: Completed(("zfs", "get"), *ended)
    )


PARSERS: dict[str, tuple[Callable[..., Any], st.SearchStrategy[Any]]] = {
    "zfs inventory": (lambda text: zfs.inventory(text, PARENT, OWNER), outputs(ZFS_GET)),
    "zfs trash": (lambda text: zfs.trash(text, PARENT, "demo:8739572452489390132"), outputs(ZFS_GET)),
    "zfs volumes": (lambda text: zfs.volumes(text, "demo:8739572452489390132"), outputs(ZFS_GET)),
    "zfs properties": (properties.properties, outputs(ZFS_GET)),
    "zfs failure": (zfs.failure, completed(*TROUBLE)),
    "zpool": (lambda done: pools.parse("tank", done, done), completed("ONLINE\t7\n", ZPOOL_STATUS)),
    "ctladm portlist": (ctl.ports, outputs(PORTS)),
    "ctladm devlist": (ctl.luns, outputs(LUNS)),
    "ctladm islist": (ctl.sessions, outputs(SESSIONS)),
    "ps": (ctl.daemon, completed("0 /usr/sbin/ctld -f /etc/ctl.conf\n")),
    "ctld's flags": (ctl.flags, outputs("-u -f /etc/ctl.conf")),
    "sysctl": (ctl.limits, completed("256\n1024\n")),
    "ctld -t": (lambda done: ctl.objections(done, ucl=True), completed(*TROUBLE)),
    "ctl failure": (ctl.failure, completed(*TROUBLE)),
    "targets in ctl.conf": (ctl.targets_named, outputs(CTL_CONF)),
    "what ctl.conf remembers": (remember.recalled, outputs(CTL_CONF)),
    "blocks of ctl.conf": (lambda text: conf.with_block(text, "demo", 'target "iqn" {\n}\n'), outputs(CTL_CONF)),
    "mountinfo": (mountinfo.parse, outputs(MOUNTINFO)),
    "iscsiadm sessions": (iscsi_sessions.sessions, outputs(ISCSI)),
    "iscsiadm record": (lambda text: iscsi_sessions.record_value(text, "node.name"), outputs("node.name = iqn.x\n")),
    "volume id": (VolumeId.parse, outputs(f"nas1:{UUID}")),
    "snapshot id": (SnapshotId.parse, outputs(f"nas1:{UUID}")),
    "group id": (GroupId.parse, outputs(f"nas1:{UUID}")),
    "node id": (NodeId.parse, outputs("node-1@127.0.0.1#a51d6514")),
}


def _fuzzed(parse: Callable[[Any], Any], said: Any) -> None:
    with contextlib.suppress(HostError, DriverError):
        parse(said)


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_makes_a_value_or_its_own_error_of_anything(name: str) -> None:
    """EXAMPLES says how many texts, in twenties; they are the same ones each time unless it is given."""
    parse, texts = PARSERS[name]
    attack = given(texts)(lambda said: _fuzzed(parse, said))
    _settings()(attack)()


# Such JSON as a module might return if it were another version, or broken.
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20), st.just(UUID)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["uuid", "name", "size_bytes", "volumes", "snapshots", "next", "error", "code", "msg", "results", "key"]
            ),
            inner,
            max_size=6,
        ),
    ),
    max_leaves=12,
)
RESULTS: dict[str, Callable[[Any], Any]] = {
    "outcomes": results.outcomes,
    "volume": lambda result: results.volume("nas1", result),
    "snapshot": lambda result: results.snapshot("nas1", result),
    "group snapshot": lambda result: results.group_snapshot("nas1", result),
    "publication": results.publication,
    "volumes": lambda result: results.volumes("nas1", result),
    "snapshots": lambda result: results.snapshots("nas1", result),
    "health": lambda result: results.volume_health("nas1", result),
    "conditions": results.conditions,
    "drift": results.drift,
    "capacity": results.capacity,
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_that_is_not_as_documented_is_told_as_such(name: str) -> None:
    """It never passes for an answer, nor breaks the driver."""
    objects = st.dictionaries(
        st.sampled_from(
            ["uuid", "name", "size_bytes", "attributes", "publications", "results", "error", "capacity", "volumes"]
        ),
        JSON,
    )
    _settings()(given(objects)(lambda result: _fuzzed(RESULTS[name], result)))()


def _settings() -> settings:
    return settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
