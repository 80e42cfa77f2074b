"""
How long CreateVolume takes, what each rung takes for the same playbook, and what they are to be compared with.

    python -m tests.bench.quick [--write]

Overhead is the wall time less the time that the simulated host logs for its own commands. `--write`
puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import operator
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import ansible.release

from tests.bench import rungs, stock
from tests.bench.figures import HEADER, Figures, paced
from tests.bench.processes import Usage, measure
from tests.bench.ssh import BareSsh
from tests.harness.client import Cluster
from tests.harness.driver import REPOSITORY
from tests.harness.stack import Stack
from tests.harness.tally import Tally

PACE_SECONDS = 0.25
SETTLE_SECONDS = 3.0
IDLE_SECONDS = 10.0
BURST = 100
TURNS, TURN = 4, 10
RUNG_COUNTS = {"standby": 20, "forked": 12, "plain": 5}
STOCK_COUNT = 5
GIB = 1 << 30

MOST_OF_BARE = 3.0
MOST_OF_STOCK = 0.1
LEAST_OF_LOOP = 0.3
MOST_IDLE_PERCENT = 1.0
MOST_IDLE_MEGABYTES = 250.0
LONGEST_SECONDS = 120.0
INF = float("inf")

BEGIN, END = "<!-- begin: make bench-quick -->", "<!-- end: make bench-quick -->"


class Bench:
    """One simulated host; each part measures on it and leaves its figures here."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.rows: list[Figures] = []
        self.loop_rate = self.burst_rate = 0.0
        self.usage = Usage(0, 0.0, 0.0)

    def run(self) -> None:
        """Measure everything."""
        with self._driver() as cluster:
            with BareSsh(self.stack.host.info, self.stack.directory) as ssh:
                self._beside_each_other(ssh, cluster)
                self._loop(ssh)
                self._clear()
            self._burst(cluster)
            self._clear()
            time.sleep(SETTLE_SECONDS)
            self.usage = measure(self.stack.controller.pid, self.stack.host._process.pid, IDLE_SECONDS)
        self._stock()
        for rung, count in RUNG_COUNTS.items():
            self._rung(rung, count)

    def _rung(self, rung: str, count: int) -> None:
        config = self.stack.config
        with rungs.runner_on(rung, config) as runner:

            def create(number: int) -> None:
                rungs.apply(runner, config, rungs.volume(f"{rung}-{number}", GIB))

            create(-1)
            time.sleep(SETTLE_SECONDS if rung == "standby" else 0)
            name = f"apply.yml, rung {rung}"
            self.rows.append(paced(name, self.stack.host, create, numbers=range(count), seconds=PACE_SECONDS))
        self._clear()

    def _clear(self) -> None:
        """Destroy all volumes from the host's console, so that every part meets the same few."""
        parent = self.stack.host.info["parent"]
        for name in [name for name in self.stack.host_state()["datasets"] if name.startswith(f"{parent}/")]:
            self.stack.host.run("zfs", "destroy", name)

    def _beside_each_other(self, ssh: BareSsh, cluster: Cluster) -> None:
        """Bare ssh and the top rung in turns, so that both meet the same machine."""
        pairs = []
        for turn in (range(turn * TURN, (turn + 1) * TURN) for turn in range(TURNS)):
            bare = self._bare(ssh, turn)
            self._clear()  # they bear one uuid, which would be a fault to be looked into by every run of ours
            pairs.append((bare, self._create(cluster, turn)))
            self._clear()
        for rows in zip(*pairs, strict=True):
            self.rows.append(functools.reduce(operator.add, rows))

    @contextlib.contextmanager
    def _driver(self) -> Iterator[Cluster]:
        self.stack.start_drivers()
        try:
            with self.stack.controller.channel() as channel:
                cluster = Cluster(channel, channel, self.stack.directory)
                cluster.create("first", GIB)  # waits until the rungs were tried out
                if "on rung standby" not in self.stack.controller.log.read_text():
                    raise RuntimeError(f"not on the top rung: {self.stack.controller.log_tail()}")
                time.sleep(SETTLE_SECONDS)
                yield cluster
        finally:
            self.stack.stop_drivers()

    def _create(self, cluster: Cluster, numbers: range) -> Figures:
        def create(number: int) -> None:
            cluster.create(f"volume-{number}", GIB)

        return paced("CreateVolume, as shipped", self.stack.host, create, numbers=numbers, seconds=PACE_SECONDS)

    def _burst(self, cluster: Cluster) -> None:
        with ThreadPoolExecutor(BURST) as pool:
            begun = time.perf_counter()
            list(pool.map(lambda index: cluster.create(f"burst-{index}", GIB), range(BURST)))
            self.burst_rate = BURST / (time.perf_counter() - begun)

    def _bare(self, ssh: BareSsh, numbers: range) -> Figures:
        command = self._create_command()

        def create(number: int) -> None:
            ssh.run(command.replace("NAME", f"bare-{number}"))

        return paced("warm ssh, `zfs create`", self.stack.host, create, numbers=numbers, seconds=PACE_SECONDS)

    def _loop(self, ssh: BareSsh) -> None:
        command = self._create_command()
        script = "\n".join(["set -e", *(command.replace("NAME", f"loop-{index}") for index in range(BURST))])
        begun = time.perf_counter()
        ssh.run("sh -s", script=script)
        self.loop_rate = BURST / (time.perf_counter() - begun)

    def _create_command(self) -> str:
        """The command with which the host made a volume for us, with NAME where the name was."""
        entries = self.stack.host.control("log", since=0)["entries"]
        made = next(entry["argv"] for entry in reversed(entries) if entry["argv"][:2] == ["zfs", "create"])
        return shlex.join([*made[:-1], f"{self.stack.host.info['parent']}/NAME"])

    def _stock(self) -> None:
        inventory = stock.inventory_file(self.stack.config, self.stack.directory)

        def create(number: int) -> None:
            variables = {"storage_owner": "bench", "storage_resources": [rungs.volume(f"stock-{number}", GIB)]}
            stock.apply(inventory, variables, self.stack.directory)

        create(-1)
        name = "apply.yml, stock ansible-runner"
        self.rows.append(paced(name, self.stack.host, create, numbers=range(STOCK_COUNT), seconds=0))
        self._clear()

    def judge(self, tally: Tally, seconds: float) -> None:
        """Hold the figures to what they must reach."""
        for name, measured, least, most in self._targets():
            good = least <= measured <= most
            tally.check(f"bench-quick: {name}", None if good else f"it is {measured:.3f}, not {least:g} to {most:g}")
        tally.check("bench-quick: under two minutes", None if seconds < LONGEST_SECONDS else f"{seconds:.0f} s")

    def _targets(self) -> list[tuple[str, float, float, float]]:
        """What is held to a target: its name, its value, the least and the most that it may be."""
        bare, ours, stock_runner = self.rows[:3]
        return [
            ("overhead of CreateVolume ÷ that of bare ssh", ours.overhead / bare.overhead, 0, MOST_OF_BARE),
            ("overhead of CreateVolume ÷ that of stock", ours.overhead / stock_runner.overhead, 0, MOST_OF_STOCK),
            (f"{BURST} CreateVolume at once ÷ loop on the host", self.burst_rate / self.loop_rate, LEAST_OF_LOOP, INF),
            ("idle: % of a core", self.usage.core_percent, 0, MOST_IDLE_PERCENT),
            ("idle: MB, PSS", self.usage.megabytes, 0, MOST_IDLE_MEGABYTES),
        ]

    def table(self) -> str:
        """The figures as Markdown."""
        bare = self.rows[0]
        versions = f"Python {platform.python_version()}, ansible-core {ansible.release.__version__}"
        place = f"{os.cpu_count()} cores, the simulated host behind {self.stack.host.info['ssh']} on the same ones"
        rates = f"per second: {self.burst_rate:.0f} CreateVolume at once, {self.loop_rate:.0f} in the loop"
        return "\n".join(
            [
                f"{versions}; {place}; {rates}; {self.usage.processes} processes.",
                "",
                *HEADER,
                *(row.row(bare) for row in self.rows),
                "",
                "| what | measured | wanted |",
                "|---|--:|--:|",
                *(
                    f"| {name} | {measured:.3g} | {f'≥ {least:g}' if least else f'≤ {most:g}'} |"
                    for name, measured, least, most in self._targets()
                ),
            ]
        )


def main() -> int:
    """Measure, print the table, and judge; return the exit status."""
    parser = argparse.ArgumentParser(description="How long CreateVolume takes, on every rung.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    write = parser.parse_args().write
    begun = time.monotonic()
    stack = Stack(split=True)
    del stack.drivers["node"]
    bench = Bench(stack)
    with stack.running_host():
        bench.run()
        table = bench.table()
    print(table, flush=True)
    if write:
        _write(table)
    tally = Tally()
    bench.judge(tally, time.monotonic() - begun)
    return tally.close()


def _write(table: str) -> None:
    page = REPOSITORY / "docs" / "performance.md"
    text = page.read_text()
    block = f"{BEGIN}\n{table}\n{END}"
    page.write_text(re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.DOTALL))


if __name__ == "__main__":
    sys.exit(main())
