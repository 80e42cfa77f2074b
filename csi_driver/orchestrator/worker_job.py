"""A job of the worker and what became of it; knows neither Ansible nor the wire."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["result", "unreachable", "died"]
REDACTED = "********"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How a run ended: with the task's `result`, because the host is `unreachable`, or it `died`.

    `text` explains the last two to people and holds no secret.
    """

    kind: Kind
    result: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One playbook to run against one host; `deadline` is a `time.monotonic()` value."""

    number: int
    playbook: str
    host: str
    request: Mapping[str, Any]
    deadline: float

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Self:
        """Read a job as the driver sends it; its time runs from now."""
        return cls(
            number=message["number"],
            playbook=message["playbook"],
            host=message["host"],
            request=message["request"],
            deadline=time.monotonic() + message["time_limit"],
        )

    @property
    def expired(self) -> bool:
        """Whether the run's time is over."""
        return time.monotonic() >= self.deadline

    def redact(self, text: str) -> str:
        """Return the text without any secret of the request."""
        for secret in _strings(self.request.get("secrets")):
            if secret:
                text = text.replace(secret, REDACTED)
        return text


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)
