"""
Many users at once, faults at random, controllers that come and go; in the end every promise is kept and nothing left.

    python -m tests.soak [--operations N | --seconds N] [--seed S] [--in-flight 50] [--hosts 1] [--pause SECONDS]

The same seed makes the same choices. How they interleave is up to the machine.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from rich.progress import Progress

from csi_driver.orchestrator.warm.ladder import KEEPER_SECONDS
from csi_driver.orchestrator.warm.pool import SHORT_SECONDS
from tests.faults.world import World
from tests.harness.stack import Stack
from tests.harness.tally import Tally
from tests.soak import show
from tests.soak.audit import broken_promises, zvols
from tests.soak.footprint import Footprint
from tests.soak.ledger import Ledger
from tests.soak.sidecar import Record, Sidecar, connected
from tests.soak.troubles import Troubles
from tests.soak.users import User
from tests.warm.storage import own_temporary

# After each of them everybody rests, and what there is is compared with what was promised.
ROUNDS = 5
# From this one on our own processes are left alone, so that their memory can be watched.
CALM_FROM = 3
FIRST_OPERATIONS = 60
# A second parked run is kept for a while after one did not suffice, and the keeper looks now and then.
SETTLE_SECONDS = SHORT_SECONDS + KEEPER_SECONDS + 3.0
PATIENCE_SECONDS = 60.0
LEAVE_SECONDS = 15.0
# Two agents and the modules they run.
KILLED_AT_ONCE = 4


class Soak:
    """One system and all that is done to it; what is found goes into the tally."""

    def __init__(self, stack: Stack, arguments: argparse.Namespace, tally: Tally) -> None:
        self.stack = stack
        self.tally = tally
        self.console = show.console()
        self.ledger = Ledger()
        self.record = Record()
        self.footprint = Footprint(stack)
        self.troubles = Troubles(stack, Random(f"{arguments.seed} troubles"), arguments.pause)  # noqa: S311
        self._arguments = arguments
        self._began = time.monotonic()
        self._seconds = 0.0
        self._calm_since = 0.0

    def run(self) -> None:
        """Everything, from the first volume to the last process."""
        self._work(0, _so_many(FIRST_OPERATIONS))
        time.sleep(SETTLE_SECONDS)
        before = self.footprint.idle()
        self._began = time.monotonic()
        self.footprint.start()
        with show.progress(self.console) as progress:
            for number in range(1, ROUNDS + 1):
                self._round(number, progress)
        self._seconds = time.monotonic() - self._began
        self.footprint.stop()
        self._empty()
        time.sleep(SETTLE_SECONDS)
        self.tally.check("nothing has grown when nothing is asked", self._grown(before))
        self.tally.check("memory is flat", "; ".join(self.footprint.grown(self._calm_since)) or None)

    def _grown(self, before: dict[str, int]) -> str | None:
        """What is more than before, even after a while: on a busy machine things take their time to settle."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            after = self.footprint.idle()
            grown = [f"{what}: {before[what]} became {after[what]}" for what in before if after[what] > before[what]]
            if not grown or time.monotonic() > deadline:
                return "; ".join(grown) or None

    def _round(self, number: int, progress: Progress) -> None:
        if number == CALM_FROM + 1:
            self.troubles.calm, self._calm_since = True, time.monotonic()
        problems = len(self.record.problems)
        task = progress.add_task(f"round {number} of {ROUNDS}", total=1.0, told="")
        limit = self._limit()
        over = threading.Event()

        def tell() -> None:
            while not over.wait(0.5):
                so_far = show.told(self.record, self.troubles.happened, time.monotonic() - self._began)
                progress.update(task, completed=limit.share(), told=so_far)
                if limit.share() >= 1.0:
                    self.troubles.wane()

        teller = threading.Thread(target=tell)
        teller.start()
        self.troubles.start()
        try:
            self._work(number, limit)
        finally:
            self.troubles.stop()
            over.set()
            teller.join()
            progress.update(task, completed=1.0)
        self._judge(number, self.record.problems[problems:])

    def _limit(self) -> Limit:
        if self._arguments.seconds:
            return _so_long(self._arguments.seconds / ROUNDS)
        return _so_many(self._arguments.operations // ROUNDS)

    def _work(self, number: int, limit: Limit) -> None:
        """Let the users do things until the limit is reached, and let each end what it has begun."""
        with ThreadPoolExecutor(self._arguments.in_flight) as pool:

            def serve(user: int) -> None:
                random = Random(f"{self._arguments.seed} {number} {user}")  # noqa: S311
                with connected(self.stack, random) as cluster:
                    sidecar = Sidecar(cluster, random, self.record, self.troubles.scarce)
                    someone = User(user, self.ledger, sidecar, random, lambda host: zvols(self.stack, host))
                    while limit.more():
                        someone.act(self.record)

            for done in [pool.submit(serve, user) for user in range(self._arguments.in_flight)]:
                done.result()

    def _judge(self, number: int, problems: list[str]) -> None:
        with connected(self.stack, None) as cluster:
            found = World(self.stack).until_done(lambda _: broken_promises(self.stack, cluster, self.ledger.model))
        assert isinstance(found, list)
        problems = [*problems, *found, *self.troubles.problems]
        self.troubles.problems.clear()
        self.tally.check(f"round {number}: promises kept", "\n  ".join(problems) or None)

    def _empty(self) -> None:
        """Delete what there is, all at once, and see that nothing is left on hosts and node."""
        try:
            self._delete_all()
            World(self.stack).empty()
        except AssertionError as error:
            self.tally.check("nothing left on the hosts", str(error))
        else:
            self.tally.check("nothing left on the hosts", None)

    def _delete_all(self) -> None:
        random = Random(self._arguments.seed)  # noqa: S311
        with connected(self.stack, None) as cluster, ThreadPoolExecutor(self._arguments.in_flight) as pool:
            sidecar = Sidecar(cluster, random, self.record, self.troubles.scarce)

            def delete(volume: str) -> None:
                sidecar.insist("unpublish", lambda cluster: cluster.detach(volume, ""), twins=False)
                sidecar.insist("delete", lambda cluster: cluster.delete(volume), twins=False)

            def delete_group(group: str) -> None:
                sidecar.insist("delete group", lambda cluster: cluster.delete_group_snapshot(group), twins=False)

            def delete_snapshot(snapshot: str) -> None:
                sidecar.insist("delete snapshot", lambda cluster: cluster.delete_snapshot(snapshot), twins=False)

            snapshots = cluster.snapshots()
            alone = {one.snapshot_id for one in snapshots if not one.group_snapshot_id}
            groups = {one.group_snapshot_id for one in snapshots if one.group_snapshot_id}
            volumes = [one.volume_id for one in cluster.volumes()]
            pending = [pool.submit(delete, one) for one in volumes]
            pending += [pool.submit(delete_group, one) for one in sorted(groups)]
            pending += [pool.submit(delete_snapshot, one) for one in sorted(alone)]
            for each in pending:
                each.result()

    def tables(self) -> None:
        """Show what came of it."""
        self.console.print(show.closing(self.record, self.troubles.happened, self.footprint.samples, self._seconds))


class Limit:
    """Until when users go on; `share` is how much of it is over."""

    def __init__(self, more: Callable[[], bool], share: Callable[[], float]) -> None:
        self.more = more
        self.share = share


def _so_long(seconds: float) -> Limit:
    began = time.monotonic()
    return Limit(lambda: time.monotonic() - began < seconds, lambda: min(1.0, (time.monotonic() - began) / seconds))


def _so_many(operations: int) -> Limit:
    lock = threading.Lock()
    left = operations

    def more() -> bool:
        nonlocal left
        with lock:
            left -= 1
            return left >= 0

    return Limit(more, lambda: 1.0 - max(0, left) / operations)


def main() -> int:
    """Soak; 0 when every promise was kept, nothing grew and nothing is left."""
    arguments = _arguments()
    tally = Tally()
    print(f"seed {arguments.seed}: --seed {arguments.seed} makes the same choices", flush=True)
    stack = Stack(split=True, hosts=arguments.hosts)
    soak = Soak(stack, arguments, tally)
    with stack.running_host():
        temporary = dict(_own_temporaries(stack))
        stack.start_drivers()
        try:
            soak.run()
        finally:
            soak.tables()
        stack.stop_drivers()
        tally.check("nothing is left of the driver", _left(soak.footprint))
        tally.check("hosts are not littered", _litter(temporary, soak.troubles.happened.total()))
        if tally.failed:
            print(f"what was logged is in {_kept(stack, arguments.seed)}", flush=True)
    return tally.close()


def _own_temporaries(stack: Stack) -> Iterator[tuple[str, Path]]:
    """Give each host's interpreter a directory for temporary files of its own."""
    for name, host in stack.hosts.items():
        temporary, python = own_temporary(host)
        stack.host_settings[name] = {"ansible_python_interpreter": str(python)}
        yield name, temporary


def _kept(stack: Stack, seed: int) -> Path:
    """Keep the logs of the driver, and what the hosts ran, for whoever has to find out."""
    directory = Path("build", f"soak-{seed}")
    directory.mkdir(parents=True, exist_ok=True)
    for log in stack.directory.glob("*.log"):
        shutil.copy(log, directory)
    for name, host in stack.hosts.items():
        entries = host.control("log", since=0)["entries"]
        (directory / f"{name}.jsonl").write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return directory


def _left(footprint: Footprint) -> str | None:
    """What is still there some seconds after the end of the driver."""
    deadline = time.monotonic() + LEAVE_SECONDS
    while (found := footprint.left()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return "; ".join(found) or None


def _litter(temporary: dict[str, Path], troubles: int) -> str | None:
    """Whoever is killed on a host cannot take his temporary files along; nobody else leaves any."""
    found = [path.name for directory in temporary.values() for path in directory.iterdir()]
    most = troubles * KILLED_AT_ONCE
    return None if len(found) <= most else f"{len(found)} temporary files after {troubles} troubles: {found[:5]}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, help="instead of a number of operations")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--in-flight", type=int, default=50)
    parser.add_argument("--hosts", type=int, default=1)
    parser.add_argument("--pause", type=float, default=3.0, help="about how long there is no new trouble")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
