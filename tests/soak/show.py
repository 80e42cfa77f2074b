"""What a person sees: how far it is while it goes on, and what came of it in the end."""

from __future__ import annotations

from collections import Counter

from rich.console import Console, Group
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.soak.footprint import Sample
from tests.soak.sidecar import Record

WIDTH = 110


def console() -> Console:
    """Where everything is shown."""
    return Console(width=WIDTH, highlight=False)


def progress(on: Console) -> Progress:
    """A line that tells how far it is."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[told]}"),
        console=on,
    )


def told(record: Record, troubles: Counter[str], seconds: float) -> str:
    """What has happened so far, in a few words."""
    done = record.done.total()
    return f"{done:,} done, {done / max(seconds, 0.1):.1f}/s, {troubles.total()} troubles"


def closing(record: Record, troubles: Counter[str], samples: list[Sample], seconds: float) -> Group:
    """The tables at the end."""
    done = record.done.total()
    rate = f"{done:,} operations in {seconds:,.0f} s, {done / max(seconds, 0.1):.1f} a second"
    return Group(_operations(record, rate), _troubles(troubles), _memory(samples))


def _operations(record: Record, caption: str) -> Table:
    table = Table(title="What users did, and what the calls for it were answered", expand=True, caption=caption)
    statuses = sorted({status for _, status in record.answers if status != "OK"})
    table.add_column("", no_wrap=True)
    for title in ("done", "slowest", "OK", *(_short(status) for status in statuses)):
        table.add_column(title, justify="right")
    for what in sorted(record.done.keys() | {what for what, _ in record.answers}):
        slowest = f"{record.slowest[what]:.1f} s" if what in record.slowest else ""
        counts = (str(record.answers[what, status] or "") for status in ("OK", *statuses))
        table.add_row(what, str(record.done[what] or ""), slowest, *counts)
    return table


def _short(status: str) -> str:
    """The last word says it, and there is little room."""
    return status.rpartition("_")[2].lower()


def _troubles(troubles: Counter[str]) -> Table:
    table = Table(title="What went wrong meanwhile", expand=True, show_header=False)
    cells = [f"{number:>4}  {name}" for name, number in sorted(troubles.items())]
    for _ in range(3):
        table.add_column(ratio=1)
    for start in range(0, len(cells), 3):
        table.add_row(*cells[start : start + 3])
    return table


def _memory(samples: list[Sample]) -> Table:
    table = Table(title="What the driver took", expand=True)
    for title in ("", "first", "most", "last", "descriptors, last"):
        table.add_column(title, justify="right" if title else "left")
    for name in samples[-1].megabytes if samples else ():
        sizes = [one.megabytes[name] for one in samples if name in one.megabytes]
        shown = (f"{size:.0f} MB" for size in (sizes[0], max(sizes), sizes[-1]))
        table.add_row(name, *shown, str(samples[-1].descriptors.get(name, "")))
    return table
