"""
Every module of the collection for what people name, from a playbook: one run for each host, a task for each step.

Each object is predicted, comes, stays, changes, and goes twice. More of the kind, faster, is among the tests of the
collection: there without Ansible.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.playbooks.play import play
from tests.simulator.host import SimulatedHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

COLLECTION = "freebsd.storage"
STORE = "iqn.2026-01.org.example:store"
SECRET, OTHER = "twelve-bytes", "other-twelve"
TIMEOUT = 500  # seconds: there are many tasks, and machines may be busy
Task = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A module with the options that make an object, and those that change it."""

    module: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)
    change: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case("zfs_dataset", "vm", {"properties": {"quota": "10G", "atime": False}}, {"properties": {"quota": "20G"}}),
    Case("zvol", "vm/d", {"size": "64M", "properties": {"compression": "zstd"}}, {"size": "128M", "thin": False}),
    Case("zfs_snapshot", "vm/d@monday"),
    Case("zfs_clone", "copy", {"snapshot": "vm/d@monday"}, {"properties": {"sync": "always"}}),
    Case("iscsi_portal_group", "lan", {"listen": ["127.0.0.1:33270"]}, {"listen": ["127.0.0.1:33271"]}),
    Case(
        "ctl_auth_group",
        "clients",
        {"initiators": ["iqn.2026-01.org.example:a"], "chap": [{"user": "u", "secret": SECRET}]},
        {"chap": [{"user": "u", "secret": OTHER}]},
    ),
    Case(
        "iscsi_target",
        STORE,
        {"auth_group": "clients", "portal_groups": ["lan"], "luns": [{"number": 0, "zvol": "vm/d"}]},
        {"luns": [{"number": 0, "zvol": "vm/d"}, {"number": 1, "zvol": "copy", "readonly": True}]},
    ),
)


def step(case: Case, what: str, options: dict[str, Any], *, changed: bool, check: bool = False) -> Task:
    """A task that fails unless it is as it should be, and tells the object by the module's name."""
    noun = f"r.{case.module}"
    right = f"{noun} is none" if options.get("state") == "absent" else f"{noun}.name == '{case.name}'"
    return {
        "name": f"{case.module} {what}",
        f"{COLLECTION}.{case.module}": {"name": case.name, **options},
        "check_mode": check,
        "register": "r",
        "failed_when": f"r.error is defined or r.changed != {changed} or not ({right})",
    }


def coming(case: Case) -> Iterator[Task]:
    """The tasks until the object is there in its last form."""
    yield step(case, "is predicted", case.options, changed=True, check=True)
    yield step(case, "comes", case.options, changed=True)
    yield step(case, "stays", case.options, changed=False)
    if case.change:
        yield step(case, "changes", {**case.options, **case.change}, changed=True)


def shortly(case: Case, options: dict[str, Any]) -> Iterator[Task]:
    """The tasks that bring something about, and find it done."""
    yield step(case, "is brought about", options, changed=True)
    yield step(case, "is as it should be", options, changed=False)


def told(case: Case) -> Iterator[Task]:
    """The `_info` twin tells exactly that object."""
    yield {
        "name": f"{case.module}_info tells it",
        f"{COLLECTION}.{case.module}_info": {"name": case.name},
        "register": "r",
        "failed_when": f"r.changed | default(true) or r.{case.module}s | map(attribute='name') != ['{case.name}']",
    }


def going(case: Case) -> Iterator[Task]:
    """The tasks until the object is gone."""
    gone = {"state": "absent"}
    yield step(case, "goes", gone, changed=True)
    yield step(case, "stays gone", gone, changed=False)


LOOKS: tuple[Task, ...] = (
    {
        "name": "ctl_info tells what is exported, and that all is well",
        f"{COLLECTION}.ctl_info": {"settings_dir": "{{ settings_dir }}"},
        "register": "r",
        "failed_when": f"r.ports | selectattr('target', 'eq', '{STORE}') | length != 1"
        " or r.luns | length != 2 or r.drift | length > 0 or r.sessions | length > 0",
    },
    {
        "name": "zpool_info tells the pool",
        f"{COLLECTION}.zpool_info": {},
        "register": "r",
        "failed_when": "r.zpools | map(attribute='health') != ['ONLINE']",
    },
)
REFUSED: tuple[Task, ...] = tuple(
    {
        "name": f"{module} refuses what is in use",
        f"{COLLECTION}.{module}": {"name": name, "state": "absent"},
        "register": "r",
        "failed_when": "r.error.code != 'in_use'",
    }
    for module, name in (("zvol", "vm/d"), ("zfs_dataset", "vm"), ("ctl_auth_group", "clients"))
)


def every_step() -> list[Task]:
    """All there is to be seen."""
    tasks = [task for case in CASES for task in coming(case)]
    tasks += [*(task for case in CASES for task in told(case)), *LOOKS, *REFUSED]
    return [*tasks, *(task for case in reversed(CASES) for task in going(case))]


def main_steps() -> list[Task]:
    """What differs between releases and grammars, if anything does."""
    tasks = [task for case in CASES for task in shortly(case, {**case.options, **case.change})]
    return [*tasks, *LOOKS, *(task for case in reversed(CASES) for task in shortly(case, {"state": "absent"}))]


HOSTS = {
    ("14.3", "classic"): every_step(),
    ("15.0", "classic"): main_steps(),
    ("15.0", "ucl"): main_steps(),
}


@pytest.mark.timeout(TIMEOUT + 60)
@pytest.mark.parametrize(("kind", "tasks"), HOSTS.items(), ids=[" ".join(kind) for kind in HOSTS])
def test_every_object_comes_changes_and_goes(directory: Path, kind: tuple[str, str], tasks: list[Task]) -> None:
    """All in one play, as the options of every task say; no secret shows, and nothing is left."""
    book = directory / "modules.yml"
    release, grammar = kind
    with SimulatedHost(directory / "host", release, grammar=grammar) as host:
        common = {"parent": host.info["parent"], "settings_dir": host.info["settings_dir"]}
        whole = {
            "hosts": "storage_hosts",
            "gather_facts": False,
            "module_defaults": {f"group/{COLLECTION}.parent": common},
            "tasks": tasks,
        }
        book.write_text(json.dumps([whole]), encoding="utf-8")
        before = host.control("state")
        run = play(book, host, directory, {"settings_dir": common["settings_dir"]}, verbose=True, timeout=TIMEOUT)
        assert run.ok, run.output[-4000:]
        assert SECRET not in run.output
        assert OTHER not in run.output
        assert host.control("state") == before
