"""
Which way a job is run: parked, forked or plain, and the keeper that climbs to the best that works.

    standby   a parked run is given the job                            the fork server and the broker
    forked    a run is forked for the job                              the same
    plain     stock ansible-runner and ansible-playbook                nothing of ours

All of them run the same playbook under ansible-runner and give the same results. The two upper ones are
tried out on this machine before they are used. When they fail the job falls to the next one down; the
keeper says so, and climbs again.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from csi_driver.orchestrator.warm.broker import THIS_MACHINE, Broker
from csi_driver.orchestrator.warm.changes import fingerprint
from csi_driver.orchestrator.warm.pool import PARK_SECONDS, Pool
from csi_driver.orchestrator.warm.run import WarmRun
from csi_driver.orchestrator.warm.spawn import ForkServer, ForkServerLost
from csi_driver.orchestrator.worker_job import Job, Outcome
from csi_driver.orchestrator.worker_run import allow_spawning, fork_server_environment, run_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from csi_driver.orchestrator.worker_settings import Rung, WorkerSettings

KEEPER_SECONDS = 10.0
# Whoever just got an answer has more use for the processor than the next run.
PAUSE_SECONDS = 0.01
CLIMB_AGAIN_SECONDS = 60.0
READY_SECONDS = 30.0
TRIAL_SECONDS = 20.0
# More hosts than this get their parked runs when they are first used.
MOST_HOSTS_AT_START = 4
PLAYBOOKS = ("apply", "info")


class TrialFailed(Exception):
    """A rung does not work; says why."""


class Ladder:
    """
    Runs jobs on the best rung that works, but none above `settings.rung`.

    `report` is told the rung, the reason, and whether it is the one wanted, whenever that changes.
    """

    def __init__(self, settings: WorkerSettings, report: Callable[[Rung, str, bool], None]) -> None:
        self._settings = replace(settings, inventory=settings.kept_inventory)
        self._plain = settings
        self._report = report
        self._top: Rung = "standby" if settings.rung == "auto" else settings.rung  # type: ignore[assignment]
        self.rung: Rung = "plain"
        self._server: ForkServer | None = None
        self._broker: Broker | None = None
        self._pool = Pool(self._start)
        self._ready = threading.Event()
        self._wanted = threading.Event()
        self._kept: Mapping[str, str] = {}
        self._not_kept = ""
        self._fingerprint = ""
        self._climbed = float("-inf")
        self._born = time.monotonic()
        if len(settings.hosts) <= MOST_HOSTS_AT_START:
            for host in settings.hosts:
                for playbook in PLAYBOOKS:
                    self._pool.expect(playbook, host)
        threading.Thread(target=self._keep, daemon=True, name="ladder").start()

    def run(self, job: Job, tell: Callable[[Outcome], None]) -> None:
        """Run the job; its outcome is told exactly once."""
        self._ready.wait(max(0.0, self._born + READY_SECONDS - time.monotonic()))
        parked = self._pool.take(job.playbook, job.host) if self.rung == "standby" else None
        if parked is not None and parked.dispatch(job, self._then_refill(tell)):
            return
        if self.rung != "plain":
            with contextlib.suppress(ForkServerLost):  # the keeper finds that out, too
                if self._start(job.playbook, job.host).dispatch(job, self._then_refill(tell)):
                    return
            self._wanted.set()
        run_plain(self._plain, job, tell)

    def _then_refill(self, tell: Callable[[Outcome], None]) -> Callable[[Outcome], None]:
        def told(outcome: Outcome) -> None:
            tell(outcome)
            self._wanted.set()

        return told

    def _start(self, playbook: str, host: str) -> WarmRun:
        server = self._server
        if server is None:
            raise ForkServerLost("there is none")
        return WarmRun(self._settings, server, playbook, host, self._kept)

    def _keep(self) -> None:
        while True:
            try:
                self._climb_if_due()
                self._ready.set()
                if self.rung == "standby" and not self._pool.tend():
                    self._descend("forked", "a run could not be parked")
            except Exception as error:  # noqa: BLE001 - whatever it was, jobs still run on the bottom rung
                self._descend("plain", f"{type(error).__name__}: {error}")
            self._ready.set()
            if self._wanted.wait(KEEPER_SECONDS):
                self._wanted.clear()
                time.sleep(PAUSE_SECONDS)

    def _climb_if_due(self) -> None:
        changed = fingerprint(self._settings)
        lost = self._server is not None and not self._server.alive
        below = self.rung != self._top and time.monotonic() - self._climbed > CLIMB_AGAIN_SECONDS
        if self._top != "plain" and (lost or below or changed != self._fingerprint):
            self._fingerprint = changed
            self._climb()
        elif self._climbed < 0:
            self._climbed = time.monotonic()
            self._settle("plain", "it was asked for", wanted=True)

    def _climb(self) -> None:
        """Start everything anew and try it out."""
        self._climbed = time.monotonic()
        old, self._server = self._server, None
        self._pool.clear()
        try:
            server = self._tried()
        except (TrialFailed, ForkServerLost, AttributeError) as error:
            self._settle("plain", str(error), wanted=False)
            return
        finally:
            if old is not None:
                old.retire()
        self._server = server
        if self._kept:
            self._settle(self._top, "everything works", wanted=True)
        else:
            self._settle(self._top, f"connections are not kept: {self._not_kept}", wanted=False)

    def _tried(self) -> ForkServer:
        """Return a new fork server with which runs on this machine have worked."""
        allow_spawning()
        if self._broker is None:
            self._broker = Broker(Path(self._settings.directory) / "broker")
        server = ForkServer(Path(self._settings.directory), fork_server_environment(self._settings))
        try:
            server.wait_ready()
            self._kept, self._not_kept = self._broker.environment, ""
            try:
                self._try(server, "freebsd.storage.agent")
            except TrialFailed as error:
                self._kept, self._not_kept = {}, str(error)
                self._try(server, "ansible.builtin.local")
        except TrialFailed:
            server.retire()
            raise
        finally:
            self._broker.forget(None if self._kept else THIS_MACHINE)
        return server

    def _try(self, server: ForkServer, connection: str) -> None:
        """Run every playbook on this machine; raise `TrialFailed`."""
        inventory = Path(self._settings.directory) / "self-test.yml"
        here = {"ansible_connection": connection, "ansible_python_interpreter": sys.executable}
        inventory.write_text(yaml.safe_dump({"storage_hosts": {"hosts": {THIS_MACHINE: here}}}))
        settings = replace(self._settings, inventory=str(inventory))
        for playbook in PLAYBOOKS:
            run = WarmRun(settings, server, playbook, THIS_MACHINE, self._kept)
            if self._top == "standby" and not run.park(PARK_SECONDS):
                run.abandon()
                raise TrialFailed(f"{playbook} did not come to where it waits for a request: {run.last_words}")
            outcome = _outcome(run, playbook)
            if outcome.kind != "result":
                raise TrialFailed(f"{playbook} on this machine over {connection}: {outcome.text}")

    def _settle(self, rung: Rung, reason: str, *, wanted: bool) -> None:
        self.rung = rung
        self._report(rung, reason, wanted)

    def _descend(self, rung: Rung, reason: str) -> None:
        self._climbed = time.monotonic()
        self._settle(rung, reason, wanted=False)


def _outcome(run: WarmRun, playbook: str) -> Outcome:
    """Give the run a request that changes nothing anywhere, and return what became of it."""
    # A dataset below a pool that cannot exist: its name is reserved, zpool-create(8).
    request = {"owner": "self-test", "parent": "mirror/self-test", "settings_dir": "/nonexistent", "time_limit": 10}
    request |= {"resources": []} if playbook == "apply" else {"kinds": ["capacity"]}
    told: list[Outcome] = []
    job = Job(
        number=-1,
        playbook=playbook,
        host=THIS_MACHINE,
        request=request,
        deadline=time.monotonic() + TRIAL_SECONDS,
    )
    run.dispatch(job, told.append)
    return told[0] if told else Outcome(kind="died", text="the run ended before it had its request")
