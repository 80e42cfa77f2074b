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
    from collections.abc import Generator

BAD = ("failed", "error")
LEFT_OUT = ("skipped", "xfailed")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that nobody allowed into a failure when CI runs."""
    report = yield
    name = item.nodeid.partition("[")[0]
    if report.skipped and os.environ.get("CI") == "true" and name not in allowed_skips():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{name} was skipped in CI but is not named in tests/allowed-skips: {reason}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Print the closing line, after everything else pytest has to say."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.collectonly:
        return
    count = {name: len(reports) for name, reports in reporter.stats.items() if name}
    failed = sum(count.get(name, 0) for name in BAD)
    skipped = sum(count.get(name, 0) for name in LEFT_OUT)
    print(f"{count.get('passed', 0)} passed, {failed} failed, {skipped} skipped")
