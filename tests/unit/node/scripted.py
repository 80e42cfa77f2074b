"""A host whose commands and answers are written down beforehand, in order."""

from __future__ import annotations

from dataclasses import dataclass, field

from csi_driver.node.host import Result


@dataclass
class Scripted:
    """Expects exactly these calls: a command line, and how it ends."""

    script: list[tuple[str, int, str, str]] = field(default_factory=list)

    def expect(self, line: str, code: int = 0, out: str = "", err: str = "") -> None:
        """Expect one more call."""
        self.script.append((line, code, out, err))

    def run(self, *argv: str, deadline: float) -> Result:
        """Answer the next expected call; any other is a failure of the test."""
        assert deadline > 0
        assert self.script, f"not expected: {' '.join(argv)}"
        line, code, out, err = self.script.pop(0)
        assert " ".join(argv) == line
        return Result(argv, code, out, err)
