"""zfs load-key and zfs unload-key."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulator.registry import Unmodelled
from tests.simulator.state import Dataset
from tests.simulator.zfs import encryption, selection
from tests.simulator.zfs.encryption import BadKey
from tests.simulator.zfs.errors import UsageError
from tests.simulator.zfs.options import parse
from tests.simulator.zfs.selection import Scope
from tests.simulator.zfs.session import DATASETS, Session

_FAILED = 255


def load_key(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "anrL:", "nL")
    given = dict(found)
    if given.get("L", "prompt") != "prompt":
        raise Unmodelled(f"keylocation {given['L']}")
    verify = "n" in given

    def load(dataset: Dataset) -> None:
        encryption.load(session, dataset, given.get("L"), verify=verify)

    rc, tried, failed = _each(session, operands, "Key load error", load)
    if verify:
        session.say(f"{tried - failed} / {tried} key(s) successfully verified")
    return rc


def unload_key(session: Session, args: list[str]) -> int:
    found, operands = parse(args, "anrL:", "nL")
    if found:
        raise UsageError(f"invalid option '{found[0][0]}'")

    def unload(dataset: Dataset) -> None:
        encryption.unload(session, dataset)

    return _each(session, operands, "Key unload error", unload)[0]


def _each(session: Session, operands: list[str], what: str, work: Callable[[Dataset], None]) -> tuple[int, int, int]:
    """The exit status, and how many were tried and failed (load_unload_keys)."""
    if not operands:
        raise UsageError("Missing dataset argument or -a option")
    handles, rc = selection.select(session, operands, Scope(DATASETS))
    failed = 0
    for handle in handles:
        try:
            work(handle.dataset)
        except BadKey as error:
            session.complain(f"{what}: {error}")
            failed += 1
    return _FAILED if failed else rc, len(handles), failed
