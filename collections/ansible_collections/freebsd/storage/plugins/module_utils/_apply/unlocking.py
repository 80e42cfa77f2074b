# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""Loads the keys that a round needs, and unloads those that nobody uses any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._state import CreateVolume, Facts, ShowDevice, Step, UnlockVolume
from .._zfs import api, keys
from .._zfs.model import Volume
from .jobs import Job, Jobs


class Unlocking:
    """
    The keys of one round: `execute` comes before anything else is done, `relock` when nothing is exported any more.

    Several items may need the same key, each with what it takes for the key. So each is tried: one
    loads it, the others only show whether theirs is the right one.
    """

    def __init__(self, jobs: Jobs, steps: Sequence[tuple[int, Step]], facts: Facts) -> None:
        self._jobs = jobs
        self._steps = steps
        self._facts = facts
        self._loaded = {each.root for each in self._every() if each.root and each.maker is None and not each.locked}

    def execute(self) -> None:
        """Load or try every key, and bring back the devices that do not come by themselves."""
        waiting = [(number, step) for number, step in self._steps if isinstance(step, UnlockVolume)]
        while waiting:
            # One for each root at a time: the next has to know whether the last has loaded the key.
            wave = {step.volume.root: (number, step) for number, step in reversed(waiting)}
            good = self._jobs.run([self._job(number, step) for number, step in wave.values()])
            self._loaded |= {root for root, (number, step) in wave.items() if step.load and number in good}
            taken = {number for number, _step in wave.values()}
            waiting = [(number, step) for number, step in waiting if number not in taken]
        shown = [(number, step) for number, step in self._steps if isinstance(step, ShowDevice)]
        self._jobs.run([Job((n,), api.show_device(s.volume.dataset)) for n, s in shown if n not in self._jobs.errors])

    def _job(self, number: int, step: UnlockVolume) -> Job:
        root, encryption = step.volume.root, step.volume.parameters.encryption
        if encryption is None:
            raise ValueError(f"{step.volume.dataset} has no key")
        loads = step.load and root not in self._loaded
        argv = api.load_key(root) if loads else api.try_key(root)
        return Job((number,), argv, keys.material(step.secret, encryption.keyformat))

    def relock(self) -> None:
        """Unload the keys of which no volume is published, where one of these volumes asks for it."""
        made = [
            step.volume.root
            for number, step in self._steps
            if isinstance(step, CreateVolume) and number not in self._jobs.errors
        ]
        loaded = sorted(root for root in {*self._loaded, *made} if root and self._is_idle(root))
        self._jobs.clean([Job((), api.unload_key(root)) for root in loaded], "loaded_key")

    def _is_idle(self, root: str) -> bool:
        family = [volume for volume in self._every() if volume.root == root]
        return any(volume.unloads_key for volume in family) and not any(volume.records for volume in family)

    def _every(self) -> Iterator[Volume]:
        yield from self._facts.volumes.values()
        yield from self._facts.trash.volumes
