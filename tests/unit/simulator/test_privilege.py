"""Who may do what on the simulated host: accounts, rules of sudo and doas, and what is delegated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator import rules
from tests.simulator.accounts import Accounts
from tests.simulator.rules import BadRule
from tests.unit.simulator.box import Box

PROGRAM = "/usr/local/libexec/freebsd-storage"


@pytest.fixture
def host(box: Box) -> Box:
    """With accounts, sudo and doas."""
    (box.root / "etc").mkdir()
    Accounts(box.machine).install()
    for package in ("sudo", "doas"):
        box.must(f"pkg install -y {package}")
    return box


def allowed(found: list[rules.Rule], host: Box, *words: str, user: str = "csi") -> bool:
    rule = rules.verdict(found, user, str(host.machine.path(words[0])), words[1:])
    return rule is not None and rule.free


def test_users_and_groups_come_and_go(host: Box) -> None:
    before = (host.root / "etc/passwd").read_text(), (host.root / "etc/group").read_text()
    host.must("pw groupadd freebsd-storage")
    host.must("pw useradd -n csi -g freebsd-storage -d /home/csi -s /bin/sh")
    assert "csi:*:1002:1001:User &:/home/csi:/bin/sh\n" in (host.root / "etc/passwd").read_text()
    assert "already exists" in host.refused("pw useradd csi")
    assert "must be root" in host.refused("pw useradd other", user="csi")
    host.must("pw userdel -n csi")
    host.must("pw groupdel freebsd-storage")
    assert ((host.root / "etc/passwd").read_text(), (host.root / "etc/group").read_text()) == before


def test_a_rule_of_sudo_without_arguments_allows_none(host: Box) -> None:
    folder = host.root / "usr/local/etc/sudoers.d"
    (folder / "one").write_text(f'Defaults!{PROGRAM} env_reset, !setenv\ncsi ALL=(root) NOPASSWD: {PROGRAM} ""\n')
    (folder / "ignored.conf").write_text("csi ALL=(root) NOPASSWD: ALL\n")
    found = rules.sudoers(host.machine)
    assert allowed(found, host, PROGRAM)
    assert not allowed(found, host, PROGRAM, "--help")
    assert not allowed(found, host, PROGRAM, "")
    assert not allowed(found, host, "/bin/sh")
    assert not allowed(found, host, PROGRAM, user="other")


def test_of_rules_of_doas_the_last_that_fits_decides(host: Box) -> None:
    path = host.root / "usr/local/etc/doas.conf"
    path.write_text(f"permit nopass csi\ndeny csi\n# ours\npermit nopass csi as root cmd {PROGRAM} args\n")
    found = rules.doas_conf(host.machine)
    assert allowed(found, host, PROGRAM)
    assert not allowed(found, host, PROGRAM, "-x")
    assert not allowed(found, host, "/bin/sh")
    path.write_text("permit csi\n")
    assert not allowed(rules.doas_conf(host.machine), host, PROGRAM)


@pytest.mark.parametrize("line", ["csi", "csi ALL", "csi ALL=(root) NOPASSWD: zfs", "permit nopass csi"])
def test_visudo_finds_what_is_no_rule(host: Box, line: str, tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(f"# fine\n{line}\n")
    assert host.refused(f"visudo -c -f {file}") == f"{file}:2: syntax error\n"
    with pytest.raises(BadRule):
        rules.sudoers(host.machine, file)


@pytest.mark.parametrize("line", ["permit", "allow csi", "permit nopass csi cmd", "csi ALL=(root) NOPASSWD: ALL"])
def test_doas_finds_what_is_no_rule(host: Box, line: str, tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text(f"{line}\n")
    assert host.refused(f"doas -C {file}") == "doas: syntax error at line 1\n"


def test_what_is_delegated_on_a_dataset_and_below_it_is_told_apart(host: Box) -> None:
    host.must("zfs allow -l -u csi create,mount tank/csi")
    host.must("zfs allow -d -u csi create,destroy,mount,volsize tank/csi")
    assert host.must("zfs allow tank/csi").splitlines()[1:] == [
        "Descendent permissions:",
        "\tuser csi destroy,volsize",
        "Local+Descendent permissions:",
        "\tuser csi create,mount",
    ]
    assert host.run("zfs create -s -V 1M tank/csi/v", user="csi").rc == 0
    assert "permission denied" in host.refused("zfs create -s -V 1M -o compression=off tank/csi/w", user="csi")
    host.must("zfs unallow -u csi tank/csi")
    assert "permission denied" in host.refused("zfs destroy tank/csi/v", user="csi")


def test_to_rename_a_snapshot_create_is_needed_on_its_dataset(host: Box) -> None:
    host.must("zfs create -s -V 1M tank/csi/v")
    host.must("zfs snapshot tank/csi/v@a")
    host.must("zfs allow -u csi rename,mount tank/csi")
    assert "permission denied" in host.refused("zfs rename tank/csi/v@a tank/csi/v@b", user="csi")
    host.must("zfs allow -u csi create tank/csi")
    assert host.run("zfs rename tank/csi/v@a tank/csi/v@b", user="csi").rc == 0


def test_a_recursive_destroy_leaves_the_parent_of_what_is_busy(host: Box) -> None:
    host.must("zfs create tank/other")
    host.must("zfs create -s -V 1M tank/other/v")
    host.machine.storage.open_volume("/dev/zvol/tank/other/v", holder="test")
    assert "cannot destroy 'tank/other': dataset already exists" in host.refused("zfs destroy -r tank/other")
    assert host.must("zfs list -H -o name -r tank/other").split() == ["tank/other", "tank/other/v"]


def test_pfctl_tests_and_loads_rules(host: Box, tmp_path: Path) -> None:
    file = tmp_path / "rules"
    file.write_text("pass in proto tcp from any to any port 22\n")
    assert host.must(f"pfctl -nf {file}") == ""
    host.must(f"pfctl -f {file}")
    file.write_text("# fine\nplease pass\n")
    assert f"{file}:2: syntax error" in host.refused(f"pfctl -nf {file}")
    assert "Permission denied" in host.refused(f"pfctl -nf {file}", user="csi")
    assert "No such file" in host.refused("pfctl -s info")
