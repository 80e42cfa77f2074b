"""Read what csi-sanity reports: one entry a spec, by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.tally import Tally


@dataclass(frozen=True)
class Spec:
    """One spec of csi-sanity and how it ended: passed, failed, skipped, pending or panicked."""

    name: str
    state: str
    message: str


def specs(report: Path) -> Iterator[Spec]:
    """The specs in a ginkgo JSON report, in the order they ran."""
    for suite in json.loads(report.read_text()):
        for entry in suite["SpecReports"] or ():
            if entry["LeafNodeType"] == "It":
                yield _spec(entry)


def _spec(entry: dict[str, Any]) -> Spec:
    containers = entry["ContainerHierarchyTexts"] or ()
    failure = entry.get("Failure") or {}
    return Spec(
        name=" ".join((*containers, entry["LeafNodeText"])),
        state=entry["State"],
        message=failure.get("Message", ""),
    )


def count(combination: str, report: Path, tally: Tally) -> None:
    """Add a report to the tally; a spec that csi-sanity itself leaves pending counts as nothing."""
    for spec in specs(report):
        if spec.state == "skipped":
            # Named by the capability that is not announced, so that one reason covers its specs.
            tally.skip(f"csi-sanity, {spec.message}", spec.name)
        elif spec.state != "pending":
            tally.check(f"sanity: {combination}: {spec.name}", None if spec.state == "passed" else spec.message)
