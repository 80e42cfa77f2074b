"""
What holds for every test: the closing line, and no silent skip.

A run ends with `N passed, N failed, N skipped`. With CI=true a skipped test is a failure unless
`tests/allowed-skips` names it (`tests/…/test_x.py::test_y: reason`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.harness.tally import allowed_skips

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

BAD = ("failed", "error")
LEFT_OUT = ("skipped", "xfailed")


def _reporter(config: pytest.Config) -> TerminalReporter | None:
    return config.pluginmanager.get_plugin("terminalreporter")


def _forbidden_skips(reporter: TerminalReporter) -> list[str]:
    """The skipped tests that CI does not let pass."""
    if os.environ.get("CI") != "true":
        return []
    skipped = [report.nodeid.partition("[")[0] for name in LEFT_OUT for report in reporter.stats.get(name, [])]
    return sorted(name for name in skipped if name not in allowed_skips())


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run whose only fault is a skip that nobody allowed."""
    reporter = _reporter(session.config)
    if reporter is not None and session.exitstatus == 0 and _forbidden_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the closing line, after everything else pytest has to say."""
    reporter = _reporter(config)
    if reporter is None or config.option.collectonly:
        return
    forbidden = _forbidden_skips(reporter)
    for name in forbidden:
        print(f"FAILED  {name}: skipped in CI but not named in tests/allowed-skips")
    count = {name: len(reports) for name, reports in reporter.stats.items() if name}
    failed = sum(count.get(name, 0) for name in BAD) + len(forbidden)
    skipped = sum(count.get(name, 0) for name in LEFT_OUT) - len(forbidden)
    print(f"{count.get('passed', 0)} passed, {failed} failed, {skipped} skipped")
