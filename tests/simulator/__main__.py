"""``python -m tests.simulator start|stop|status``: a simulated FreeBSD storage host in the foreground."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from tests.simulator import clients, prepare
from tests.simulator.commands import load_all
from tests.simulator.daemon import Daemon
from tests.simulator.host import control
from tests.simulator.machine import Machine
from tests.simulator.releases import RELEASES
from tests.simulator.ssh import CHOICES, NONE, SshServer, start_server
from tests.simulator.ssh.environment import login_name
from tests.simulator.ssh.keys import make_keys
from tests.simulator.zfs.numbers import parse_number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("start", help="run a host until SIGTERM; prints one line 'ready'")
    start.add_argument("--release", choices=sorted(RELEASES), default="14.3")
    start.add_argument("--prepared", action="store_true", help="as the role storage_host leaves a host (default)")
    start.add_argument("--bare", action="store_true", help="a default install with a pool")
    start.add_argument("--grammar", choices=prepare.GRAMMARS, default=prepare.CLASSIC, help="ctl.conf's and ctld's")
    start.add_argument("--ssh", choices=CHOICES, default="auto")
    start.add_argument("--pool", action="append", metavar="NAME=SIZE", help="default tank=100G")
    start.add_argument("--login", default="root", help="who the SSH user is on the simulated host")
    start.add_argument("--compiled", action=argparse.BooleanOptionalAction, default=None, help="clients in C")
    start.add_argument("--until-eof", action="store_true", help="end when standard input ends")
    for verb in (start, verbs.add_parser("stop"), verbs.add_parser("status")):
        verb.add_argument("--root", type=Path, required=True)
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    if arguments.verb == "start":
        return _start(arguments)
    if arguments.verb == "stop":
        control(arguments.root, "shutdown")
        return 0
    sys.stdout.write((arguments.root / "host.json").read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(control(arguments.root, "counters")) + "\n")
    return 0


def _start(arguments: argparse.Namespace) -> int:
    load_all()
    root = arguments.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    os.chdir(root)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    machine = Machine(root, arguments.release, _pools(arguments.pool or ["tank=100G"]))
    former = _former_info(root)
    portal = former["portals"][0] if former else _free_portal()
    prepare.install(machine, arguments.grammar)
    if not arguments.bare:
        prepare.prepare(machine, portal, arguments.grammar)
    clients.install(machine, compiled=arguments.compiled)
    machine.boot()
    port = former["port"] if former else 0
    ssh = None if arguments.ssh == NONE else start_server(arguments.ssh, root, make_keys(root), arguments.login, port)
    daemon = Daemon(machine, ssh)
    daemon.start()
    _write_info(machine, ssh, portal, arguments.grammar)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if arguments.until_eof:
        threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    stop.wait()
    daemon.stop()
    return 0


def _wait_for_end(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        continue
    stop.set()


def _pools(texts: list[str]) -> dict[str, int]:
    return {name: parse_number(size) for name, _, size in (text.partition("=") for text in texts)}


def _former_info(root: Path) -> dict[str, Any]:
    """What an earlier run said of the host, which keeps its ports; empty at the first start."""
    known = root / "host.json"
    found: dict[str, Any] = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    return found


def _free_portal() -> str:
    """Where ctld is to listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _write_info(machine: Machine, ssh: SshServer | None, portal: str, grammar: str) -> None:
    root = machine.root
    host_key = root / "ssh" / "host_ed25519.pub"
    info = {
        "address": "127.0.0.1",
        "port": ssh.port if ssh else 0,
        "user": login_name(),
        "identity_file": str(root / "ssh" / "id_ed25519"),
        "host_key": " ".join(host_key.read_text(encoding="utf-8").split()[:2]) if ssh else "",
        "python": str(root / "bin" / "python3"),
        "settings_dir": str(machine.path(prepare.SETTINGS_DIR)),
        "portals": [portal],
        "parent": prepare.PARENT,
        "portal_group": prepare.PORTAL_GROUP,
        "control": str(root / "control.sock"),
        "release": machine.release.name,
        "grammar": grammar,
        "ssh": ssh.kind if ssh else NONE,
    }
    fresh = root / "host.json.new"
    fresh.write_text(json.dumps(info, indent=1) + "\n", encoding="utf-8")
    fresh.replace(root / "host.json")


if __name__ == "__main__":
    sys.exit(main())
