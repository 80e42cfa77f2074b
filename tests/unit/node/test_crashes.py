"""The node plugin dies between any two commands; another one takes up from there."""

from __future__ import annotations

from itertools import count

import pytest

from csi_driver.node.host import Result
from csi_driver.node.service import NodeService
from csi_driver.storage.model import BlockAccess, MountAccess
from tests.unit.node.lab import EXT4, Lab, needs_root

pytestmark = needs_root


class Crash(BaseException):
    """The process is gone; nothing of it gets to clean up."""


class Mortal:
    """The lab's host, until it has run so many commands that change something."""

    def __init__(self, lab: Lab, lives: int) -> None:
        self._host = lab.host
        self._lives = lives

    def run(self, *argv: str, deadline: float) -> Result:
        result = self._host.run(*argv, deadline=deadline)
        if _changes(argv):
            self._lives -= 1
            if self._lives == 0:
                raise Crash(argv)
        return result


def _changes(argv: tuple[str, ...]) -> bool:
    looks = argv[0] in ("blkid", "wipefs", "cmp") or "-P" in argv or "--getro" in argv
    return not looks and argv[:-1] != ("iscsiadm", "-m", "iface", "-I")


def mortal(lab: Lab, lives: int) -> NodeService:
    return lab.restarted(Mortal(lab, lives))


@pytest.mark.parametrize("access", [EXT4, BlockAccess()], ids=["mount", "block"])
def test_after_a_crash_at_any_step_a_retry_converges(lab: Lab, access: MountAccess | BlockAccess) -> None:
    """On the way up as on the way down; in the end nothing is left."""
    crashes = 0
    for lives in count(1):
        attachment = lab.publish_on_host()
        staging, publishing = lab.stage_request(attachment, access), lab.publish_request(access)

        def go_up(service: NodeService) -> None:
            service.stage(staging)  # noqa: B023 - called within this round
            service.publish(publishing)  # noqa: B023

        def go_down(service: NodeService) -> None:
            service.unpublish(lab.volume_id, str(lab.target))
            service.unstage(lab.volume_id, str(lab.staging))

        crashed = crashes
        for go in (go_up, go_down):
            try:
                go(mortal(lab, lives))
            except Crash:
                crashes += 1
                go(lab.restarted())
        assert lab.leftovers() == []
        assert lab.portal.sessions(attachment.target) == 0
        (lab.directory / attachment.serial).unlink()
        lab.portal.withdraw(attachment.target)
        if crashes == crashed:
            break
    assert crashes > 5


@pytest.mark.parametrize("access", [EXT4, BlockAccess()], ids=["mount", "block"])
def test_after_a_crash_at_any_step_undoing_is_possible(lab: Lab, access: MountAccess | BlockAccess) -> None:
    """The caller may give up instead of trying again."""
    for lives in count(1):
        attachment = lab.publish_on_host()
        crashed = False
        try:
            service = mortal(lab, lives)
            service.stage(lab.stage_request(attachment, access))
            service.publish(lab.publish_request(access))
        except Crash:
            crashed = True
        service = lab.restarted()
        service.unpublish(lab.volume_id, str(lab.target))
        service.unstage(lab.volume_id, str(lab.staging))
        assert lab.leftovers() == []
        assert lab.portal.sessions(attachment.target) == 0
        (lab.directory / attachment.serial).unlink()
        lab.portal.withdraw(attachment.target)
        if not crashed:
            break
    assert lives > 4
