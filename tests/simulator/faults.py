"""Faults to inject: armed through the control socket, taken at named points of the simulator."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.simulator.registry import Json


@dataclass
class Fault:
    """
    Fires at ``point`` on its ``nth`` match, ``times`` times; ``times`` 0 means for ever.

    ``match`` holds what the point's attributes must be: equal for most, contained in the joined argv for ``match``.
    ``extra`` is the rest of the request, for whoever acts on it.
    """

    point: str
    action: str
    match: dict[str, Json] = field(default_factory=dict)
    nth: int = 1
    times: int = 1
    extra: dict[str, Json] = field(default_factory=dict)
    seen: int = 0
    fired: int = 0

    def applies(self, point: str, attributes: Mapping[str, str]) -> bool:
        return point == self.point and all(_equals(key, value, attributes) for key, value in self.match.items())

    def as_json(self) -> dict[str, Json]:
        return {
            "point": self.point,
            "action": self.action,
            "match": self.match,
            "seen": self.seen,
            "fired": self.fired,
        }

    @property
    def spent(self) -> bool:
        return bool(self.times) and self.fired >= self.times


def _equals(key: str, wanted: Json, attributes: Mapping[str, str]) -> bool:
    if key == "match":
        return str(wanted) in attributes.get("argv", "")
    return attributes.get(key) == wanted


_MATCHING = ("command", "match", "when", "user")
_CONTROL = ("op", "point", "action", "nth", "times", *_MATCHING)


class Faults:
    """The armed faults of one machine. Thread-safe."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, request: Mapping[str, Json]) -> None:
        """Arm from a control request; its keys are those of the package's documentation."""
        fault = Fault(
            point=str(request.get("point", "command")),
            action=str(request["action"]),
            match={key: request[key] for key in _MATCHING if key in request},
            nth=_number(request.get("nth", 1)),
            times=_number(request.get("times", 1)),
            extra={key: value for key, value in request.items() if key not in _CONTROL},
        )
        with self._lock:
            self._armed.append(fault)

    def take(self, point: str, **attributes: str) -> Fault | None:
        """The fault that fires here and now, if any; it counts as fired."""
        with self._lock:
            for fault in self._armed:
                if fault.spent or not fault.applies(point, attributes):
                    continue
                fault.seen += 1
                if fault.seen >= fault.nth:
                    fault.fired += 1
                    return fault
        return None

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    def observe(self) -> list[Json]:
        with self._lock:
            return [fault.as_json() for fault in self._armed]


def _number(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError(f"not a number: {value!r}")
    return value
