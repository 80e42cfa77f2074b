"""
Run csi-sanity over combinations of release, grammar, access type and sockets, each on a host of its own.

    python -m tests.sanity [--quick] [--release RELEASE] [--grammar classic|ucl] [--access mount|block]
                           [--sockets one|split] [--rung auto|standby|forked|plain]
                           [--privilege none|sudo|doas] [--focus REGEX]

With a privilege the host is a bare one that the role is run on, and the driver logs in as the user which the role made.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.harness import restricted
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack
from tests.harness.tally import Tally
from tests.sanity.binary import Unavailable, csi_sanity, knows_health
from tests.sanity.report import count


@dataclass(frozen=True)
class Machine:
    """A simulated storage host: its release, and the grammar of its ctl.conf."""

    release: str
    grammar: str

    def __str__(self) -> str:
        return f"FreeBSD {self.release}, {self.grammar}"


MACHINES = (Machine("14.3", "classic"), Machine("14.3", "ucl"), Machine("15.0", "classic"))
SIZE = 64 << 20  # csi-sanity's own 10 GiB would only make mkfs slow
TIMEOUT = 1800
ATTACH_LIMIT = 5
PARAMETERS = {"thin": "true", "compression": "lz4", "fsType": "ext4"}
MUTABLE_PARAMETERS = {"compression": "zstd", "sync": "always", "thin": "false"}


def main() -> int:
    """Run the chosen combinations; the exit status is 0 when nothing failed."""
    arguments = _arguments()
    tally = Tally()
    if os.geteuid() != 0:
        tally.skip("sanity", "csi-sanity attaches, formats and mounts: it needs root and loop devices")
        return tally.close()
    if arguments.privilege != "none" and (reason := restricted.possible()) is not None:
        tally.skip(f"sanity: {arguments.privilege}", reason)
        return tally.close()
    try:
        binary = csi_sanity()
    except Unavailable as error:
        tally.skip("sanity", str(error))
        return tally.close()
    for machine, access, sockets in itertools.product(arguments.machines, arguments.access, arguments.sockets):
        _run(binary, machine, access, sockets, arguments, tally)
    return tally.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.sanity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one combination: mount, one socket")
    parser.add_argument("--access", action="append", choices=("mount", "block"))
    parser.add_argument("--sockets", action="append", choices=("one", "split"))
    parser.add_argument("--release", help="the FreeBSD that is simulated, when it is to be only one")
    parser.add_argument("--grammar", choices=("classic", "ucl"), help="the one its ctld reads")
    parser.add_argument("--rung", default="auto", help="the fastest way in which playbooks may be run")
    parser.add_argument("--privilege", choices=("none", "sudo", "doas"), default="none", help="of the driver's login")
    parser.add_argument("--focus", help="run only the specs whose name matches")
    arguments = parser.parse_args()
    quick = arguments.quick
    chosen = Machine(arguments.release or "14.3", arguments.grammar or "classic")
    arguments.machines = [chosen] if quick or arguments.release or arguments.grammar else MACHINES
    arguments.access = arguments.access or (["mount"] if quick else ["mount", "block"])
    arguments.sockets = arguments.sockets or (["one"] if quick else ["one", "split"])
    return arguments


def _run(
    binary: Path, machine: Machine, access: str, sockets: str, arguments: argparse.Namespace, tally: Tally
) -> None:
    combination = f"{access}, {sockets} socket{'s' if sockets == 'split' else ''}, {machine}, rung {arguments.rung}"
    combination += f", {arguments.privilege}" if arguments.privilege != "none" else ""
    print(f"== csi-sanity: {combination}", flush=True)
    began = time.monotonic()
    settings = {
        "node": _node_settings(),
        "ansible": {"rung": arguments.rung},
        "alpha_capabilities": knows_health(binary),
    }
    with Stack(
        split=sockets == "split",
        settings=settings,
        release=machine.release,
        grammar=machine.grammar,
        privilege=arguments.privilege,
    ) as stack:
        report = stack.directory / "report.json"
        argv = _argv(binary, stack, access, report, arguments.focus)
        result = subprocess.run(argv, check=False, timeout=TIMEOUT, capture_output=True, text=True)
        if not report.exists():
            tally.check(f"sanity: {combination}", f"csi-sanity wrote no report: {result.stdout}{result.stderr}")
            return
        count(combination, report, tally)
        for problem in leftovers(stack):
            tally.check(f"sanity: {combination}: nothing left", problem)
        tally.passed += 1
    print(f"   {time.monotonic() - began:.0f} s", flush=True)


def _node_settings() -> dict[str, object]:
    return {"addresses": ["127.0.0.1"], "max_volumes": ATTACH_LIMIT}


def _argv(binary: Path, stack: Stack, access: str, report: Path, focus: str | None) -> list[str]:
    parameters = stack.directory / "parameters.yml"
    parameters.write_text(yaml.safe_dump(PARAMETERS))
    mutable_parameters = stack.directory / "mutable-parameters.yml"
    mutable_parameters.write_text(yaml.safe_dump(MUTABLE_PARAMETERS))
    options = {
        "csi.endpoint": stack.node.endpoint,
        "csi.mountdir": stack.directory / "csi-mount",
        "csi.stagingdir": stack.directory / "csi-staging",
        "csi.testvolumeaccesstype": access,
        "csi.testvolumesize": SIZE,
        "csi.testvolumeexpandsize": 2 * SIZE,
        "csi.testvolumeparameters": parameters,
        "csi.testvolumemutableparameters": mutable_parameters,
        "csi.testnodevolumeattachlimit": "true",
        "csi.testinvalidlistvolumesstartingtoken": "invalid-token",
        "ginkgo.json-report": report,
        "ginkgo.no-color": "true",
    }
    if stack.controller is not stack.node:
        options["csi.controllerendpoint"] = stack.controller.endpoint
    if focus:
        options["ginkgo.focus"] = focus
    return [str(binary), *(f"-{name}={value}" for name, value in options.items())]


if __name__ == "__main__":
    sys.exit(main())
