"""The log of executed commands, from which tests count, time and replay boundaries."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from tests.simulator.registry import Call, Json


@dataclass(frozen=True)
class Entry:
    """One executed command. ``start`` is seconds of the real clock; ``outcome`` ok | unmodelled | defect | fault."""

    number: int
    argv: tuple[str, ...]
    user: str
    rc: int
    start: float
    microseconds: int
    outcome: str
    text: str

    def as_json(self) -> dict[str, Json]:
        return {
            "number": self.number,
            "argv": list(self.argv),
            "user": self.user,
            "rc": self.rc,
            "start": self.start,
            "microseconds": self.microseconds,
            "outcome": self.outcome,
            "text": self.text,
        }


class CommandLog:
    """Thread-safe, in order of completion; grows with the run (a few hundred bytes per command)."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def add(self, call: Call, rc: int, start: float, seconds: float, outcome: str, text: str = "") -> None:
        with self._lock:
            number = len(self._entries) + 1
            self._entries.append(Entry(number, call.argv, call.user, rc, start, int(seconds * 1e6), outcome, text))

    def since(self, number: int) -> list[Entry]:
        """Entries after the given number (0 for all)."""
        with self._lock:
            return self._entries[number:]

    def counters(self) -> dict[str, Json]:
        with self._lock:
            commands = Counter(entry.argv[0] for entry in self._entries)
            outcomes = Counter(entry.outcome for entry in self._entries)
            return {
                "commands": dict(commands),
                "unmodelled": outcomes["unmodelled"],
                "defects": outcomes["defect"],
            }
