"""Tell a person what happens: one line a step, what the host ran for it, and a table at the end."""

from __future__ import annotations

import contextlib
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WIDTH = 110
COMMAND_WIDTH = WIDTH - 14
LOOKERS = frozenset({"pgrep", "ps", "sysctl", "sysrc", "uname"})
LOOKS = frozenset({("zfs", "get"), ("zfs", "list"), *(("ctladm", f"{what}list") for what in ("dev", "is", "port"))})


@dataclass
class Step:
    """One step as it was seen: its name, where it happened, how long it took, what was run on the host."""

    title: str
    where: str
    seconds: float = 0.0
    commands: list[list[str]] = field(default_factory=list)
    note: str = ""
    quiet: bool = False


class Show:
    """The running account. `commands` returns what the storage host has executed since the last call."""

    def __init__(self, commands: Callable[[], list[list[str]]]) -> None:
        self.console = Console(width=WIDTH, highlight=False)
        self.steps: list[Step] = []
        self._commands = commands

    def title(self, text: str, *, below: str) -> None:
        """Open the account."""
        self.console.rule(f"[bold]{text}")
        self.console.print(f"[dim]{below}", justify="center")
        self.console.print()

    def chapter(self, text: str) -> None:
        """Tell what the following steps are about."""
        self.console.print()
        self.console.print(f"  [bold]{text}")

    @contextlib.contextmanager
    def step(self, title: str, where: str) -> Iterator[Step]:
        """Show that a step is under way, then how it went."""
        step = Step(title, where)
        self._commands()
        began = time.monotonic()
        try:
            with self.console.status(f"{title} [dim]on {where}"):
                yield step
        except BaseException:
            self.console.print(f"  [bold red]✘[/] {title} [dim]on {where}")
            raise
        step.seconds = time.monotonic() - began
        step.commands = self._commands()
        self.steps.append(step)
        self._print(step)

    def _print(self, step: Step) -> None:
        line = Table.grid(expand=True)
        line.add_column(width=4)
        line.add_column(ratio=1)
        line.add_column(width=10, style="cyan")
        line.add_column(width=9, justify="right")
        line.add_row("  [bold green]✔[/]", step.title, step.where, f"{step.seconds:.2f} s")
        self.console.print(line)
        if step.note:
            self.console.print(f"      [green]{step.note}")
        if not step.quiet:
            self._print_commands(step.commands)

    def _print_commands(self, commands: list[list[str]]) -> None:
        """Show what changed something on the host; of what only looked, how often."""
        changes = [argv for argv in commands if tuple(argv[:2]) not in LOOKS and argv[0] not in LOOKERS]
        for argv in changes:
            self.console.print(f"      [dim]# {_shorten(argv)}", soft_wrap=True)
        looks = len(commands) - len(changes)
        if looks:
            self.console.print(f"      [dim]  and {looks} commands that only look")

    def table(self) -> None:
        """Close the account: every step, where, how many commands, how long."""
        table = Table(title="What happened", expand=True)
        table.add_column("step", ratio=1)
        table.add_column("where", style="cyan")
        table.add_column("commands on the host", justify="right")
        table.add_column("seconds", justify="right")
        for step in self.steps:
            table.add_row(step.title, step.where, str(len(step.commands)), f"{step.seconds:.2f}")
        total = sum(step.seconds for step in self.steps)
        table.add_section()
        table.add_row("[bold]all", "", str(sum(len(step.commands) for step in self.steps)), f"[bold]{total:.2f}")
        self.console.print()
        self.console.print(table)

    def verdict(self, problems: Sequence[str]) -> None:
        """Say whether anything was left behind."""
        for problem in problems:
            self.console.print(f"[bold red]left behind:[/] {problem}")
        if not problems:
            self.console.print(
                "[bold green]Nothing is left:[/] no dataset, target, session, device, mount or file of ours."
            )


def _shorten(argv: list[str]) -> str:
    text = shlex.join(argv).replace("[", "\\[")
    return text if len(text) <= COMMAND_WIDTH else f"{text[: COMMAND_WIDTH - 1]}…"
