"""The role storage_host on a simulated default install: what it makes, twice, in check mode, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import restricted
from tests.playbooks.play import play
from tests.playbooks.role import role_variables
from tests.simulator.host import SimulatedHost

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = "tank/csi"
UNTOUCHED = "# the administrator's own\n"


@pytest.fixture
def host(directory: Path) -> Iterator[SimulatedHost]:
    """A FreeBSD host as the installer leaves it, with a pool."""
    with SimulatedHost(directory / "host", prepared=False) as simulated:
        yield simulated


@pytest.fixture
def variables(host: SimulatedHost) -> dict[str, Any]:
    """The role's variables, with every path below the simulated host's root."""
    return role_variables(host.info)


@pytest.fixture
def ucl_host(directory: Path) -> Iterator[SimulatedHost]:
    """A FreeBSD host as the installer leaves it, but for ctld_flags, which have it read UCL."""
    with SimulatedHost(directory / "host", prepared=False, grammar="ucl") as simulated:
        yield simulated


def _datasets(host: SimulatedHost) -> dict[str, Any]:
    datasets: dict[str, Any] = host.control("state")["datasets"]
    return datasets


def test_a_default_install_becomes_a_storage_host(
    host: SimulatedHost, directory: Path, variables: dict[str, Any]
) -> None:
    """Registry, lock, portal group and limits are there, ctld runs, and a second run changes nothing."""
    loader = Path(variables["storage_host_loader_conf"])
    loader.parent.mkdir(parents=True, exist_ok=True)
    loader.write_text(UNTOUCHED)

    first = play("storage_host", host, directory, variables)
    assert first.ok, first.output
    assert first.changed > 0

    settings = Path(variables["storage_host_settings_dir"])
    registry = json.loads((settings / "parents.json").read_text())
    assert list(registry) == [PARENT]
    assert registry[PARENT].isdigit()
    assert (settings / "lock").exists()
    ctl_conf = Path(variables["storage_host_ctl_conf"])
    assert ctl_conf.stat().st_mode & 0o777 == 0o600
    assert ctl_conf.read_text().startswith('# BEGIN freebsd.storage portal-group\nportal-group "csi" {\n')
    assert loader.read_text().startswith(UNTOUCHED)
    assert 'kern.cam.ctl.max_ports="1024"' in loader.read_text()
    assert PARENT in _datasets(host)

    second = play("storage_host", host, directory, variables)
    assert second.ok, second.output
    assert second.changed == 0, second.output


def test_check_mode_tells_and_touches_nothing(host: SimulatedHost, directory: Path, variables: dict[str, Any]) -> None:
    """On a bare host check mode succeeds, predicts changes and leaves the host as it was."""
    before = host.control("state")
    checked = play("storage_host", host, directory, variables, check=True)
    assert checked.ok, checked.output
    assert checked.changed > 0
    assert host.control("state") == before
    assert not Path(variables["storage_host_settings_dir"]).exists()

    assert play("storage_host", host, directory, variables).ok
    settled = play("storage_host", host, directory, variables, check=True)
    assert settled.ok, settled.output
    assert settled.changed == 0, settled.output


def test_what_was_made_is_taken_back_and_the_dataset_stays(
    host: SimulatedHost, directory: Path, variables: dict[str, Any]
) -> None:
    """With state absent nothing of the role is left but the dataset; a second run changes nothing."""
    assert play("storage_host", host, directory, variables).ok
    absent = variables | {"storage_host_state": "absent"}
    first = play("storage_host", host, directory, absent)
    assert first.ok, first.output
    assert first.changed > 0
    assert not Path(variables["storage_host_settings_dir"]).exists()
    assert "freebsd.storage" not in Path(variables["storage_host_ctl_conf"]).read_text()
    assert "kern.cam.ctl" not in Path(variables["storage_host_loader_conf"]).read_text()
    assert PARENT in _datasets(host)

    second = play("storage_host", host, directory, absent)
    assert second.ok, second.output
    assert second.changed == 0, second.output


def test_a_host_that_exports_volumes_is_not_taken_apart(
    host: SimulatedHost, directory: Path, variables: dict[str, Any]
) -> None:
    """With a cluster's block in ctl.conf the removal is refused and names the cluster."""
    assert play("storage_host", host, directory, variables).ok
    ctl_conf = Path(variables["storage_host_ctl_conf"])
    text = ctl_conf.read_text() + "# BEGIN freebsd.storage demo\n# END freebsd.storage demo\n"
    ctl_conf.write_text(text)
    refused = play("storage_host", host, directory, variables | {"storage_host_state": "absent"})
    assert not refused.ok
    assert "for demo" in refused.output
    assert ctl_conf.read_text() == text
    assert Path(variables["storage_host_settings_dir"]).exists()


def test_a_parent_that_is_not_the_registered_one_is_refused(
    host: SimulatedHost, directory: Path, variables: dict[str, Any]
) -> None:
    """A pool made anew is not taken for the old one, until a person says so."""
    assert play("storage_host", host, directory, variables).ok
    registry = Path(variables["storage_host_settings_dir"]) / "parents.json"
    registry.write_text(json.dumps({PARENT: "1"}))
    refused = play("storage_host", host, directory, variables)
    assert not refused.ok
    assert "storage_host_replace_parents" in refused.output
    assert json.loads(registry.read_text()) == {PARENT: "1"}

    accepted = play("storage_host", host, directory, variables | {"storage_host_replace_parents": [PARENT]})
    assert accepted.ok, accepted.output
    assert json.loads(registry.read_text()) != {PARENT: "1"}


def test_a_missing_setting_is_named(host: SimulatedHost, directory: Path, variables: dict[str, Any]) -> None:
    """Without a portal the role stops before it touches anything."""
    before = host.control("state")
    refused = play("storage_host", host, directory, variables | {"storage_host_portals": []})
    assert not refused.ok
    assert "storage_host_portals" in refused.output
    assert host.control("state") == before


@pytest.mark.slow
def test_a_host_that_reads_ucl_is_made_ready_and_taken_back(ucl_host: SimulatedHost, directory: Path) -> None:
    """The portal group has a private file, included at the end of ctl.conf; a second run changes nothing."""
    variables = role_variables(ucl_host.info)
    ctl_conf = Path(variables["storage_host_ctl_conf"])
    ctl_conf.write_text(UNTOUCHED)
    first = play("storage_host", ucl_host, directory, variables)
    assert first.ok, first.output
    file = Path(variables["storage_host_settings_dir"]) / "ctl" / "portal-group_.conf"
    assert '"csi": {"discovery-auth-group": "no-access"' in file.read_text()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    block = f'.include(try=true,duplicate=merge) "{file}"\n# END freebsd.storage portal-group\n'
    assert ctl_conf.read_text() == f"{UNTOUCHED}# BEGIN freebsd.storage portal-group\n{block}"

    second = play("storage_host", ucl_host, directory, variables)
    assert second.ok, second.output
    assert second.changed == 0, second.output

    absent = play("storage_host", ucl_host, directory, variables | {"storage_host_state": "absent"})
    assert absent.ok, absent.output
    assert ctl_conf.read_text() == UNTOUCHED
    assert not file.exists()


@pytest.mark.slow
def test_the_grammar_is_changed_only_while_ctld_does_not_run(
    host: SimulatedHost, directory: Path, variables: dict[str, Any]
) -> None:
    """A bare host gets the chosen grammar; one that serves the other keeps it until ctld is stopped."""
    ctl_conf = Path(variables["storage_host_ctl_conf"])
    ucl, classic = ({**variables, "storage_host_grammar": grammar} for grammar in ("ucl", "classic"))
    made = play("storage_host", host, directory, ucl)
    assert made.ok, made.output
    assert ".include(" in ctl_conf.read_text()

    refused = play("storage_host", host, directory, classic)
    assert not refused.ok
    assert "Stop it" in refused.output
    assert ".include(" in ctl_conf.read_text()

    assert host.run("service", "ctld", "stop")["rc"] == 0
    changed = play("storage_host", host, directory, classic)
    assert changed.ok, changed.output
    assert ctl_conf.read_text().startswith('# BEGIN freebsd.storage portal-group\nportal-group "csi" {\n')
    assert host.run("service", "ctld", "status")["rc"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("privilege", ["sudo", "doas"])
def test_logins_that_are_not_root_come_and_go(host: SimulatedHost, directory: Path, privilege: str) -> None:
    """Check mode on a bare host; then made, unchanged, taken back, unchanged; and nothing of it is left."""
    if (reason := restricted.possible()) is not None:
        pytest.skip(reason)
    variables = restricted.variables(host, directory, privilege)
    before = host.control("state")
    checked = play("storage_host", host, directory, variables, check=True)
    assert checked.ok, checked.output
    assert host.control("state") == before

    runs = [play("storage_host", host, directory, variables) for _ in range(2)]
    assert [run.ok for run in runs] == [True, True], runs[0].output + runs[1].output
    assert runs[1].changed == 0, runs[1].output
    program = host.root / "usr/local/libexec/freebsd-storage"
    assert program.stat().st_mode & 0o7777 == 0o755
    home = host.root / "home/csi"
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys", program):
        assert path.stat().st_uid == 0
    key = restricted.key(directory).with_suffix(".pub").read_text().strip()
    assert f'restrict,from="127.0.0.1" {key}' in (home / ".ssh/authorized_keys").read_text().splitlines()

    absent = variables | {"storage_host_state": "absent"}
    runs = [play("storage_host", host, directory, absent) for _ in range(2)]
    assert [run.ok for run in runs] == [True, True], runs[0].output + runs[1].output
    assert runs[1].changed == 0, runs[1].output
    assert not program.exists()
    assert not home.exists()
    assert "freebsd-storage" not in (host.root / "etc/group").read_text()
    assert "csi:" not in (host.root / "etc/passwd").read_text()
    assert "csi" not in host.run("zfs", "allow", PARENT)["out"]
    rules = {"sudo": "usr/local/etc/sudoers.d/freebsd-storage", "doas": "usr/local/etc/doas.conf"}[privilege]
    assert not (host.root / rules).exists() or "freebsd" not in (host.root / rules).read_text()


@pytest.mark.slow
def test_only_the_storage_networks_reach_the_portals(
    host: SimulatedHost, directory: Path, variables: dict[str, Any]
) -> None:
    """Where pf runs, an anchor lets them in and nobody else; the administrator's rules stay, and come back alone."""
    networks = variables | {"storage_host_networks": ["192.0.2.0/24", "2001:db8::/64"]}
    refused = play("storage_host", host, directory, networks)
    assert "pf, which does not run" in refused.output
    pf_conf = host.root / "etc/pf.conf"
    pf_conf.write_text("pass in proto tcp to any port 22\n")
    host.run("sysrc", "pf_enable=YES")
    host.control("reboot")

    runs = [play("storage_host", host, directory, networks) for _ in range(2)]
    assert [run.ok for run in runs] == [True, True], runs[0].output + runs[1].output
    assert runs[1].changed == 0, runs[1].output
    port = variables["storage_host_portals"][0].rpartition(":")[2]
    assert host.control("state")["pf"] == [
        "pass in proto tcp to any port 22",
        f"pass in quick proto tcp from {{ 192.0.2.0/24, 2001:db8::/64 }} to any port {{ {port} }}",
        f"block in quick proto tcp from any to any port {{ {port} }}",
    ]

    absent = networks | {"storage_host_state": "absent"}
    assert play("storage_host", host, directory, absent).ok
    assert host.control("state")["pf"] == ["pass in proto tcp to any port 22"]
    assert pf_conf.read_text() == "pass in proto tcp to any port 22\n"
