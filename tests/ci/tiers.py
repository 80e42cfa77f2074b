"""
The tiers of the test suite: what each runs, in the order in which they are worth running.

A tier is one command that ends with the line `N passed, N failed, N skipped`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
COLLECTION = "collections/ansible_collections/freebsd/storage"


@dataclass(frozen=True)
class Tier:
    """One part of the suite and the command that runs it."""

    name: str
    argv: tuple[str, ...]

    @property
    def present(self) -> bool:
        """Whether the folder the tier runs is there; a tier without one is always there."""
        folders = [part for part in self.argv if part.startswith(("tests/", "collections/"))]
        return all((REPOSITORY / folder).exists() for folder in folders)


def _module(name: str, *argv: str) -> Tier:
    return Tier(name, (sys.executable, "-m", *argv))


def _pytest(folder: str, *arguments: str, name: str | None = None) -> Tier:
    return _module(name or folder, "pytest", f"tests/{folder}", *arguments)


TIERS = {
    tier.name: tier
    for tier in (
        _module("lint", "tests.ci.lint"),
        _pytest("unit", f"{COLLECTION}/tests/unit"),
        _pytest("contract"),
        _pytest("transcripts"),
        _pytest("deploy"),
        _pytest("packaging"),
        _module("collection", "pytest", "-p", "tests.conftest", f"{COLLECTION}/tests/simulated", "-m", "not slow"),
        _module("slow-collection", "pytest", "-p", "tests.conftest", f"{COLLECTION}/tests/simulated", "-m", "slow"),
        _module("ansible-test", "tests.ci.ansible_test"),
        _module("howto", "pytest", "tests/playbooks/test_howto.py"),
        _pytest("playbooks", "-m", "not slow"),
        _pytest("playbooks", "-m", "slow", name="slow-playbooks"),
        _module("molecule", "tests.molecule"),
        _pytest("e2e", "-m", "not slow"),
        _pytest("e2e", "-m", "slow", name="slow-e2e"),
        _pytest("properties"),
        _pytest("fuzz"),
        _module("faults", "tests.faults"),
        _pytest("warm"),
        _module("soak-quick", "tests.soak", "--seconds", "180"),
        _module("soak", "tests.soak"),
        _module("sanity-quick", "tests.sanity", "--quick"),
        _module("sanity", "tests.sanity"),
        _module("sanity-doas", "tests.sanity", "--quick", "--privilege", "doas"),
        _module("sanity-plain", "tests.sanity", "--release", "14.3", "--rung", "plain"),
        _module("troubles", "tests.faults.troubles"),
        _module("demo", "tests.demo"),
        _module("bench-quick", "tests.bench.quick"),
    )
}

# What `make test` runs, the longest first: several run side by side.
TEST = (
    "unit",
    "collection",
    "e2e",
    "playbooks",
    "properties",
    "fuzz",
    "sanity-quick",
    "packaging",
    "contract",
    "transcripts",
    "deploy",
    "lint",
)
