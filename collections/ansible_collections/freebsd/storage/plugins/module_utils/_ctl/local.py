# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""
The target layer, worked from this process: it has to be root's, or root's equal.

Test, swap, reload, verify. `service ctld reload` says nothing about the outcome, comes late or not at
all, so the kernel's tables alone are believed, and ctld is told again until they show what they
should. A removal is never rolled back; an addition that does not come about is taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Optional

from .. import _names
from ..command import Commands, Completed
from ..errors import HostError
from . import api, chap, check, confile, parse, remember
from .choose import Choice, choose
from .conf import owner_place
from .grammar import Grammar, draw, grammar_of, stands
from .model import Daemon, Export, Kernel, Session
from .seam import Clock, Comparison, Patience, Section, Settled, SystemClock, Wanted
from .sections import AuthGroup, Entry, Named
from .trial import objections
from .waiting import Pending, wait_for

_EDITS_BORNE = 5


class LocalCtl:
    """Works ctld and ctladm directly. What is written for UCL lies below `settings_dir`."""

    def __init__(
        self,
        commands: Commands,
        settings_dir: str,
        clock: Optional[Clock] = None,
        patience: Optional[Patience] = None,
    ) -> None:
        self._commands = commands
        self._settings_dir = settings_dir
        self._clock: Clock = clock or SystemClock()
        self._patience = patience or Patience()
        self._reloads = 0
        self._complaint = ""

    def observe(self) -> Kernel:
        running, ports, luns, limits = self._commands.run_all(
            [api.running(), api.portlist(), api.devlist(), api.limits()]
        )
        daemon = parse.daemon(running) or self._configured()
        if parse.no_module(ports):
            return Kernel(daemon, (), (), proven=chap.proven(self._settings_dir))
        _check(ports)
        _check(luns)
        max_ports, max_luns = parse.limits(limits)
        return Kernel(
            daemon,
            parse.ports(ports.out),
            parse.luns(luns.out),
            max_ports=max_ports,
            max_luns=max_luns,
            proven=chap.proven(self._settings_dir),
        )

    def _configured(self) -> Daemon:
        """Return how ctld would be started."""
        done = self._commands.run(api.ctld_flags())
        return parse.flags(done.out if done.rc == 0 else "")

    def section(self, owner: str, kernel: Kernel) -> Section:
        place = owner_place(self._settings_dir, owner)
        files = confile.read(kernel.daemon.config, place, create=True)
        others = files.draft.rest(place) + confile.parts_of_others(files)
        part, grammar = files.draft.part(place), grammar_of(ucl=kernel.daemon.ucl)
        named = remember.recalled(part)
        stale = frozenset(key for key, each in named.items() if not stands(grammar, part, each))
        return Section(named, parse.targets_named(others), stale)

    def logins(self) -> tuple[Session, ...]:
        done = self._commands.run(api.islist())
        if parse.no_module(done):
            return ()
        _check(done)
        return parse.logins(done.out)

    def compare(self, wanted: Wanted, kernel: Kernel) -> Comparison:
        grammar, place = grammar_of(ucl=kernel.daemon.ucl), owner_place(self._settings_dir, wanted.owner)
        draft = confile.read(kernel.daemon.config, place).draft
        part, previous = draft.part(place), remember.recalled(draft.part(place))
        named = previous if wanted.named is None else wanted.named
        proven = chap.Store(self._settings_dir, wanted.owner).prove(wanted.exports)
        entries = (*named.values(), *proven)
        drawn = draw(grammar, draft, place, entries)
        standing = {each.key for each in entries if stands(grammar, part, each)}
        unwritten = frozenset(each.key for each in entries) - standing
        verdict = _pending(wanted, Choice(drawn.draft, {}, drawn.left_out), previous).judge(kernel)
        strange = drawn.draft != draft and not unwritten - drawn.left_out.keys()
        return Comparison(unwritten, strange, verdict.unmet, verdict.lingering)

    def converge(self, wanted: Wanted, before: Kernel) -> Settled:
        self._reloads, self._complaint = 0, ""
        store = chap.Store(self._settings_dir, wanted.owner)
        try:
            changed = store.keep(wanted.chap, wanted.additions)
            exports = store.prove(wanted.exports)
            lost = frozenset(export.key for export in exports if export.chap and not export.proof)
            proven = wanted._replace(exports=exports, gone=wanted.gone | lost)
            settled = self._converge(proven, before, store, changed)
        except HostError as error:
            if error.code != "uncertain":
                store.forget(wanted.chap.keys() & wanted.additions)
            raise
        if wanted.complete:
            taken_back = settled.failed.keys() | settled.refused.keys()
            store.sweep([export for export in wanted.exports if export.target not in taken_back])
        return settled

    def _converge(self, wanted: Wanted, before: Kernel, store: chap.Store, changed: frozenset[str]) -> Settled:
        choice, swapped, previous = self._install(before.daemon, wanted)
        pending = _pending(wanted, choice, previous)
        verdict = pending.judge(before)
        mended = frozenset(verdict.unmet) - wanted.additions
        after = before
        if pending.gone and not (swapped or any(verdict)):
            # Gone from the file already, so nothing else would look for sessions that live on.
            after = self._look(before, pending)
            verdict = pending.judge(after)
        if swapped or store.owes_reload or any(verdict):
            after = self._settle(pending, before, self._patience.limit)
            verdict = pending.judge(after)
        unread = self._unread(store, changed)
        failed = frozenset(verdict.unmet) & wanted.additions
        if failed:
            self._take_back(wanted, before, failed | frozenset(choice.refused), previous)
        return Settled(
            refused=choice.refused,
            failed={target: self._told(verdict.unmet[target]) for target in failed},
            unconfirmed={t: self._told(why) for t, why in {**unread, **verdict.unmet}.items() if t not in failed},
            lingering={name: self._told(why) for name, why in verdict.lingering.items()},
            left_out=choice.left_out,
            mended=mended | changed,
            vanished=check.vanished(before, after, _names.target_prefix(wanted.owner), wanted.gone),
            reloads=self._reloads,
            small={name: self._told(why) for name, why in verdict.small.items()},
        )

    def _unread(self, store: chap.Store, changed: frozenset[str]) -> dict[str, str]:
        """Return the targets whose new secrets ctld was not told of, with the reason."""
        if not store.owes_reload:
            return {}
        if not self._complaint:
            store.settle()
            return {}
        return dict.fromkeys(changed, "ctld has not read its new CHAP secret")

    def _install(self, daemon: Daemon, wanted: Wanted) -> tuple[Choice, bool, Mapping[str, Named]]:
        """Put the owner's part in place; return what was chosen, whether files changed, and what had been named."""
        grammar = grammar_of(ucl=daemon.ucl)
        place = owner_place(self._settings_dir, wanted.owner)
        for _attempt in range(_EDITS_BORNE):
            files = confile.read(daemon.config, place)
            previous = remember.recalled(files.draft.part(place))
            named = previous if wanted.named is None else wanted.named
            old = [each for key, each in previous.items() if key in wanted.additions & named.keys()]
            try:
                drawing = partial(draw, grammar, files.draft, place)
                trial = partial(objections, self._commands, grammar, files)
                entries = (*named.values(), *wanted.exports)
                choice = choose(files.draft, drawing, entries, wanted.additions, trial, old)
                _check_spared(grammar, files.draft.part(place), entries, choice)
                if choice.draft == files.draft:
                    return choice, False, previous
                if confile.swap(files, choice.draft, private=_holds_secrets(named, wanted.exports)):
                    return choice, True, previous
            finally:
                confile.discard(files)
        edits = f"{daemon.config} was edited {_EDITS_BORNE} times while it was being changed"
        raise HostError("busy", f"{edits}: try again when nothing edits it any more")

    def _settle(self, pending: Pending, before: Kernel, limit: float) -> Kernel:
        """Have ctld reload until the kernel shows what it should, or time is up; return the last look."""
        signal = self._signal if before.daemon.pid is not None else self._no_signal
        limit = min(limit, max(self._commands.remaining() * 0.6, 0))
        patience = self._patience._replace(limit=limit)
        look = partial(self._look, before, pending)
        return wait_for(pending, before, look, signal, self._clock, patience)

    def _signal(self) -> bool:
        done = self._commands.run(api.reload())
        self._reloads += 1
        error = parse.failure(done)
        self._complaint = error.msg if error else ""
        return error is None

    def _no_signal(self) -> bool:
        self._complaint = "ctld does not run; start it with service ctld start"
        return False

    def _look(self, before: Kernel, pending: Pending) -> Kernel:
        argvs = [api.portlist(), api.devlist()]
        if pending.gone:
            argvs.append(api.islist())
        done = self._commands.run_all(argvs)
        if parse.no_module(done[0]):
            return before._replace(ports=(), luns=(), sessions=frozenset())
        for each in done:
            _check(each)
        sessions = parse.sessions(done[2].out) if pending.gone else frozenset()
        return before._replace(ports=parse.ports(done[0].out), luns=parse.luns(done[1].out), sessions=sessions)

    def _take_back(self, wanted: Wanted, before: Kernel, failed: frozenset[str], previous: Mapping[str, Named]) -> None:
        """
        Take failed additions out again, so that they do not come about when nobody expects them.

        What was another version before becomes that again. Where even that fails, they go with the
        next change: their records are withdrawn.
        """
        without = _without(wanted, failed, previous)
        complaint = self._complaint
        try:
            _choice, swapped, _previous = self._install(before.daemon, without)
            if swapped:
                self._settle(Pending((), without.gone, frozenset()), before, self._patience.aftermath)
        except HostError as error:
            complaint = f"{complaint}; taking it back: {error.msg}" if complaint else error.msg
        self._complaint = complaint

    def _told(self, why: str) -> str:
        return f"{why} ({self._complaint})" if self._complaint else why


def _check_spared(grammar: Grammar, part: str, entries: Sequence[Entry], choice: Choice) -> None:
    """
    Raise `HostError` if something is to be left out that stands there as it should, and ctld took it so.

    Then others have spoiled it, and nobody who uses it is to pay for that.
    """
    reasons = [choice.left_out[each.key] for each in entries if each.key in choice.left_out]
    if any(each.key in choice.left_out and stands(grammar, part, each) for each in entries):
        raise HostError(
            "degraded",
            f"ctld does not take any more what is exported already: {reasons[0]}; put right what others have changed "
            "in ctl.conf, or run the role storage_host, and test it with ctld -t: until then nothing is changed",
        )


def _pending(wanted: Wanted, choice: Choice, previous: Mapping[str, Named]) -> Pending:
    out = choice.refused.keys() | choice.left_out.keys()
    named = previous if wanted.named is None else wanted.named
    entries: tuple[Entry, ...] = (*named.values(), *wanted.exports)
    keys = wanted.confirm | (named.keys() if wanted.confirm_named else frozenset())
    confirm = [each for each in entries if each.key in keys and each.key not in out]
    return Pending(tuple(confirm), wanted.gone, wanted.gone_luns, wanted.sizes)


def _holds_secrets(named: Mapping[str, Named], exports: Sequence[Export]) -> bool:
    groups = any(isinstance(each, AuthGroup) and each.chap for each in named.values())
    return groups or any(export.proof for export in exports)


def _without(wanted: Wanted, failed: frozenset[str], previous: Mapping[str, Named]) -> Wanted:
    """Return what is wanted once the failed additions are given up."""
    named: Optional[dict[str, Named]] = None
    if wanted.named is not None:
        restored = {key: previous[key] for key in failed & wanted.named.keys() if key in previous}
        named = {**{key: each for key, each in wanted.named.items() if key not in failed}, **restored}
    return wanted._replace(
        exports=tuple(export for export in wanted.exports if export.key not in failed),
        named=named,
        additions=wanted.additions - failed,
        confirm=frozenset(),
        gone=failed - (named or {}).keys(),
    )


def _check(done: Completed) -> None:
    error = parse.failure(done)
    if error is not None:
        raise error
