"""
The life of volumes, on a simulated FreeBSD host, over real SSH, real Ansible and real gRPC.

    python -m tests.demo [--release 14.3] [--grammar classic|ucl] [--ssh auto|openssh|asyncssh]
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tests.demo.bootstrap import bootstrap
from tests.demo.life import live
from tests.demo.pods import ROOT
from tests.demo.show import Show
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack
from tests.harness.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the demo; 0 when every step worked and nothing is left."""
    arguments = _arguments()
    stack = Stack(release=arguments.release, grammar=arguments.grammar, ssh=arguments.ssh, prepared=False)
    show = Show(_log_of(stack))
    tally = Tally()
    show.title(
        "Kubernetes volumes on FreeBSD, from CreateVolume to nothing left",
        below=f"simulated FreeBSD {arguments.release} · real SSH · real Ansible · real gRPC",
    )
    if not ROOT:
        tally.skip("demo, format and mount", "a node needs root for them, so the bare device is used")
    with stack.running_host():
        bootstrap(show, stack)
        with show.step("start the driver: controller and node", "here"):
            stack.start_drivers()
        live(show, stack)
        problems = leftovers(stack)
    show.table()
    show.verdict(problems)
    tally.passed = len(show.steps)
    tally.check("demo: nothing left", "; ".join(problems) or None)
    return tally.close()


def _log_of(stack: Stack) -> Callable[[], list[list[str]]]:
    """Return what tells the commands that the host has run since the last call."""
    seen = 0

    def commands() -> list[list[str]]:
        nonlocal seen
        entries = stack.host.control("log", since=seen)["entries"]
        seen += len(entries)
        return [entry["argv"] for entry in entries]

    return commands


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("--release", default="14.3")
    parser.add_argument("--grammar", default="classic", choices=("classic", "ucl"), help="the one that ctld reads")
    parser.add_argument("--ssh", default="auto", choices=("auto", "openssh", "asyncssh"))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
