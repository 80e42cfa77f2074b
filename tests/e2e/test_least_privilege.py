"""
What the key of the driver's user is good for on a host made by the role, and what it is not.

Every attempt is made over OpenSSH, with that key, on a host with a dataset, a cluster and a target that are none of the
user's business. It has to fail, and the host has to look as before.
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import restricted
from tests.harness.client import Cluster
from tests.harness.leaks import leftovers
from tests.harness.stack import Stack
from tests.playbooks.play import play, write_inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = "/usr/local/libexec/freebsd-storage"
PROTOCOL = 3
MIB = 1 << 20
TOKEN, UUID = "a" * 32, "b" * 32
EXPORT: dict[str, Any] = {
    "token": TOKEN,
    "uuid": UUID,
    "initiator": "iqn.1994-09.org.freebsd.csi:demo:node1",
    "portal_group": "csi",
    "dataset": "tank/csi/own",
    "blocksize": 512,
    "readonly": False,
    "chap": "none",
}
NOTHING: dict[str, Any] = {
    "exports": [],
    "additions": [],
    "confirm": [],
    "gone": [],
    "gone_luns": [],
    "sizes": {},
    "chap": {},
    "complete": True,
}
SECRET = {"user": "node", "secret": "first/secret+1=", "mutual_user": "", "mutual_secret": ""}
OTHERS = """
# BEGIN freebsd.storage prod
auth-group "prod:cccccccccccccccccccccccccccccccc" {
	auth-type "none"
	initiator-name "iqn.1994-09.org.freebsd.csi:prod:node1"
}
lun "prod:dddddddddddddddddddddddddddddddd" {
	path "/dev/zvol/tank/other/secret"
}
target "iqn.1994-09.org.freebsd.csi:prod.cccccccccccccccccccccccccccccccc" {
	auth-group "prod:cccccccccccccccccccccccccccccccc"
	portal-group "csi"
	lun 0 "prod:dddddddddddddddddddddddddddddddd"
}
# END freebsd.storage prod
"""


class Intruder:
    """Somebody who has got hold of the driver's key, on a machine from which it may be used."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.host = stack.host
        self.tool = stack.privilege
        self.user, self.key = stack.login(stack.host)

    def ssh(self, *words: str, user: str | None = None) -> list[str]:
        """Return the command line of ssh; the last word is what runs on the host."""
        info = self.host.info
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        argv = ["ssh", "-F", "none", "-i", self.key, "-p", str(info["port"]), "-l", user or self.user]
        return [*argv, *(part for option in options for part in ("-o", option)), *words]

    def run(self, command: str, said: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command on the host."""
        argv = self.ssh("127.0.0.1", command.replace("%", self.tool).replace("PROGRAM", PROGRAM))
        return subprocess.run(argv, check=False, input=said, capture_output=True, text=True, timeout=120)

    def answers(self, *lines: str) -> list[Any]:
        """Say the lines to the program and return its answers."""
        done = self.run("% -n PROGRAM", "".join(lines))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def everything(self) -> Any:
        """Return all there is to be seen on the host."""
        files = {str(path): path.read_bytes() for path in self._files()}
        return self.host.control("state"), files

    def _files(self) -> Iterator[Path]:
        for folder in ("etc", "usr", "home", "boot"):
            yield from (path for path in (self.host.root / folder).rglob("*") if path.is_file())


@pytest.fixture(scope="module", params=["sudo", "doas"])
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A bare host, bootstrapped; the driver logs in as the user the role made."""
    if (reason := restricted.possible()) is not None:
        pytest.skip(reason)
    release = {"sudo": "14.3", "doas": "15.0"}[request.param]
    with Stack(privilege=request.param, release=release) as stack:
        yield stack


@pytest.fixture(scope="module")
def intruder(stack: Stack) -> Iterator[Intruder]:
    """On a host with what is none of his business."""
    for argv in (
        ("zfs", "create", "-o", "mountpoint=none", "tank/other"),
        ("zfs", "create", "-s", "-V", "64M", "tank/other/secret"),
        ("zfs", "snapshot", "tank/other/secret@s"),
        ("zfs", "create", "-s", "-V", "64M", "tank/csi/own"),
    ):
        assert stack.host.run(*argv)["rc"] == 0
    before = stack.ctl_conf.read_text()
    stack.ctl_conf.write_text(before + OTHERS)
    assert stack.host.run("service", "ctld", "reload")["rc"] == 0
    until(lambda: len(stack.host_state()["luns"]) == 1)
    yield Intruder(stack)
    stack.ctl_conf.write_text(before)
    assert stack.host.run("service", "ctld", "reload")["rc"] == 0
    until(lambda: stack.host_state()["luns"] == [])
    for dataset in ("tank/csi/own", "tank/other"):
        assert stack.host.run("zfs", "destroy", "-r", dataset)["rc"] == 0


@pytest.fixture
def unchanged(intruder: Intruder) -> Iterator[Intruder]:
    """The host is afterwards as it was before."""
    before = intruder.everything()
    yield intruder
    assert intruder.everything() == before


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds: ctld takes its time."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def converge(*exports: dict[str, Any], **changes: Any) -> str:
    tokens = [export["token"] for export in exports]
    wanted = {**NOTHING, "exports": exports, "additions": tokens, "confirm": tokens, **changes}
    return restricted.request(do="converge", wanted=wanted)


def test_a_volume_lives_its_life_for_a_user_who_is_not_root(stack: Stack) -> None:
    """Create, publish, snapshot, clone, grow, unpublish, delete, through the driver; nothing is left."""
    with stack.controller.channel() as controller, stack.node.channel() as node:
        cluster = Cluster(controller, node, stack.directory / "kubelet")
        volume = cluster.create("life", 64 * MIB)
        context = cluster.attach(volume.volume_id, cluster.node_id())
        assert cluster.attach(volume.volume_id, cluster.node_id()) == context
        snapshot = cluster.snapshot("life-s", volume.volume_id)
        copy = cluster.create("copy", 64 * MIB, source=snapshot)
        cluster.expand(volume.volume_id, 128 * MIB)
        cluster.detach(volume.volume_id, cluster.node_id())
        for each in (volume, copy):
            cluster.delete(each.volume_id)
        cluster.delete_snapshot(snapshot.snapshot_id)
    assert leftovers(stack) == []
    entries = stack.host.control("log", since=0)["entries"]
    assert {entry["user"] for entry in entries if entry["argv"][:2] == ["zfs", "snapshot"]} == {restricted.USER}


def test_secrets_are_kept_where_the_user_cannot_read_them(stack: Stack) -> None:
    """Neither the file of the publication, nor ctl.conf as soon as it holds one."""
    secret = "first/secret+1="
    with stack.controller.channel() as controller, stack.node.channel() as node:
        cluster = Cluster(controller, node, stack.directory / "kubelet")
        cluster.secrets = {"node.session.auth.username": "node", "node.session.auth.password": secret}
        volume = cluster.create("guarded", 64 * MIB, parameters={"chap": "one-way"})
        context = cluster.attach(volume.volume_id, cluster.node_id())
        assert cluster.attach(volume.volume_id, cluster.node_id()) == context
        assert secret in stack.ctl_conf.read_text()
        held = [path for path in stack.host.root.rglob("*") if holds(path, secret)]
        user = Intruder(stack)
        for path in held:
            assert user.run(f"cat {path}").returncode != 0
        assert len(held) == 2
        cluster.detach(volume.volume_id, cluster.node_id())
        cluster.delete(volume.volume_id)
    assert leftovers(stack) == []


def holds(path: Path, text: str) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size < MIB and text.encode() in path.read_bytes()


def test_the_user_may_restore_what_was_lost(stack: Stack) -> None:
    """The playbook reconcile tells, mends, and finds nothing the third time; all of it with the user's key."""
    user, key = stack.login(stack.host)
    info, folder = stack.host.info, stack.directory
    own = {"ansible_user": user, "ansible_ssh_private_key_file": key}
    inventory = write_inventory(info, folder, own)
    variables = {
        "storage_owner": "demo",
        "storage_parent": info["parent"],
        "storage_settings_dir": info["settings_dir"],
        "storage_privilege": stack.privilege,
    }

    def reconcile(*, check: bool = False) -> int:
        run = play("reconcile", stack.host, folder, variables, check=check, inventory=inventory)
        assert run.ok, run.output
        return run.changed

    with stack.controller.channel() as controller, stack.node.channel() as node:
        cluster = Cluster(controller, node, stack.directory / "kubelet")
        volume = cluster.create("lost", MIB)
        cluster.attach(volume.volume_id, cluster.node_id())
        whole = stack.ctl_conf.read_text()
        begin, end = whole.index("# BEGIN freebsd.storage demo"), whole.index("# END freebsd.storage demo")
        stack.ctl_conf.write_text(whole[:begin] + whole[end:].partition("\n")[2])
        assert [reconcile(check=True), reconcile(), reconcile()] == [1, 1, 0]
        assert stack.ctl_conf.read_text() == whole
        cluster.detach(volume.volume_id, cluster.node_id())
        cluster.delete(volume.volume_id)


@pytest.mark.parametrize(
    "command",
    [
        "% -n sh",
        "% -n id",
        "% -n -u root /bin/sh",
        "% -n PROGRAM --help",
        "% -n PROGRAM ''",
        "% -n python3 -I PROGRAM",
        "% -n zfs destroy -r tank/other",
        "% -n ctladm portlist",
        "% -n /usr/local/libexec",
        "cp ~+/../../bin/true /tmp/freebsd-storage-$$ && % -n /tmp/freebsd-storage-$$",
        "ln -s PROGRAM /tmp/freebsd-storage-l$$ && % -n /tmp/freebsd-storage-l$$ sh",
        "ctladm portlist -x",
        "ctld -t",
        "zfs destroy -r tank/other",
        "zfs destroy tank/other/secret@s",
        "zfs destroy tank/csi",
        "zfs create -s -V 1M tank/evil",
        "zfs create -o mountpoint=/usr/local/etc tank/csi/evil",
        "zfs set mountpoint=/etc tank/csi",
        "zfs set canmount=on tank/csi",
        "zfs set quota=none tank/csi",
        "zfs set org.freebsd.storage:owner=x tank/other/secret",
        "zfs rename tank/csi/own tank/other/own",
        "zfs rename tank/other/secret tank/csi/secret",
        "zfs clone tank/other/secret@s tank/csi/secret",
        "zfs snapshot tank/other/secret@mine",
        "zfs send tank/other/secret@s",
        "zfs allow -u csi mountpoint tank/csi",
        "zfs unallow -u csi destroy tank/csi",
        "pw useradd evil",
        "pkg install -y sudo",
    ],
)
def test_no_command_gets_further(unchanged: Intruder, command: str) -> None:
    """Neither another command as root, nor ZFS beyond what volumes need."""
    assert unchanged.run(command).returncode != 0


@pytest.mark.parametrize(
    "command",
    [
        "cat etc/master.passwd",
        "cat etc/ctl.conf",
        "cat usr/local/etc/freebsd-storage/callers.json",
        "echo x >> usr/local/etc/freebsd-storage/parents.json",
        "echo x >> usr/local/libexec/freebsd-storage",
        "rm -f usr/local/libexec/freebsd-storage",
        "mv usr/local/libexec usr/local/libexec2",
        "echo x >> home/csi/.ssh/authorized_keys",
        "mv home/csi/.ssh home/csi/.ssh2",
        "touch home/csi/file",
        "ln -s ../../../../../etc/master.passwd dev/zvol/tank/csi/link",
        "cat dev/zvol/tank/other/secret > /dev/null",
        "cat dev/zvol/tank/csi/own > /dev/null",
        "cat ssh/id_ed25519",
        "echo | cat < usr/local/etc/freebsd-storage/ctl.lock",
    ],
)
def test_no_file_can_be_read_or_changed(unchanged: Intruder, command: str) -> None:
    """Nor can a link be put where the program could follow it."""
    assert unchanged.run(f"cd {unchanged.host.root} && {command}").returncode != 0


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "tank/other/secret"},
        {"dataset": "tank/csi/../other/secret"},
        {"dataset": "tank/csi/./../../ada0"},
        {"dataset": "../ada0"},
        {"dataset": "/dev/ada0"},
        {"dataset": "../../etc/master.passwd"},
        {"dataset": "tank/csi"},
        {"initiator": ""},
        {"initiator": "ALL"},
        {"initiator": 'iqn.2026-01.org:x"\n\tinitiator-name "iqn.2026-01.org:y'},
        {"portal_group": "default"},
        {"portal_group": 'csi"\n}\ntarget "iqn.2026-01.org:evil" {'},
        {"blocksize": 1 << 40},
        {"chap": "any"},
        {"chap": "one-way"},
    ],
)
def test_an_export_that_is_not_allowed_does_not_come_about(unchanged: Intruder, changes: dict[str, Any]) -> None:
    """The answer says why, and nothing is exported."""
    _greeting, answer = unchanged.answers(converge({**EXPORT, **changes}))
    assert list(answer["refused"].values()) != []


@pytest.mark.parametrize(
    "line",
    [
        restricted.request(do="observe").replace("demo", "prod"),
        converge(EXPORT).replace('"demo"', '"prod"'),
        converge({**EXPORT, "auth_group": "no-authentication"}),
        converge({**EXPORT, "token": "prod." + "c" * 27}),
        converge({key: value for key, value in EXPORT.items() if key != "initiator"}),
        converge(gone=["x\ny"]),
        converge({**EXPORT, "chap": "one-way"}, chap={"c" * 32: SECRET}),
        converge({**EXPORT, "chap": "one-way"}, chap={TOKEN: {**SECRET, "secret": 'x"\n} target "y" {'}}),
        restricted.request(do="observe", config="/tmp/ctl.conf"),
        restricted.request(do="run", argv=["/bin/sh"]),
        restricted.request(do="observe", seconds=1e9),
        "x" * (5 * MIB) + "\n",
        "[" * 100000 + "\n",
        "\0\n",
    ],
)
def test_a_request_that_is_not_understood_does_nothing(unchanged: Intruder, line: str) -> None:
    """Another owner, names of one's own choice, other verbs, too much of everything."""
    _greeting, answer = unchanged.answers(line)
    assert answer["error"]["code"] in ("denied", "invalid")


def test_targets_of_others_are_not_ended(unchanged: Intruder) -> None:
    """What is to be gone is looked for under the owner's own prefix."""
    _greeting, answer = unchanged.answers(converge(gone=["c" * 32, "../prod." + "c" * 32]))
    assert answer["lingering"] == {}


def test_of_others_nothing_is_told(unchanged: Intruder) -> None:
    """Of their targets the number alone."""
    _greeting, answer = unchanged.answers(restricted.request(do="observe"))
    assert "prod" not in json.dumps(answer)
    assert "secret" not in json.dumps(answer)
    assert (answer["other_luns"], answer["other_paths"]) == (1, [])


@pytest.mark.parametrize(
    "trick",
    [
        "PYTHONPATH=$D",
        "PYTHONHOME=$D",
        "PYTHONSTARTUP=$D/json.py",
        "PYTHONINSPECT=1 PYTHONPATH=$D",
        "LD_PRELOAD=$D/json.py",
        "PATH=$D:$PATH",
        "SUDO_USER=root DOAS_USER=root USER=root LOGNAME=root",
        "FREEBSD_SIMULATOR_USER=root",
        "HOME=$D",
    ],
)
def test_the_environment_has_no_say(unchanged: Intruder, trick: str) -> None:
    """Whatever the caller sets, his code is not run, and he is still who he is."""
    evil = "D=$(mktemp -d) && cd $D && for f in json.py sitecustomize.py ctld ctladm; do "
    evil += "printf '#!/bin/sh\\ntouch /tmp/intruder\\n' > $f; chmod 755 $f; done; "
    done = unchanged.run(f"{evil} env {trick} % -n PROGRAM; rm -rf $D; test ! -e /tmp/intruder", "{}\n")
    assert done.returncode == 0
    assert [json.loads(line).get("protocol") for line in done.stdout.splitlines()][:1] in ([PROTOCOL], [])
    assert unchanged.run(f"env {trick.replace('$D', '/tmp')} zfs create -s -V 1M tank/evil").returncode != 0


def test_without_sudo_or_doas_the_program_can_do_nothing(unchanged: Intruder) -> None:
    """He may run it, as himself, who may read neither the list of callers nor the lock."""
    done = unchanged.run(
        f"env SUDO_USER=csi DOAS_USER=csi {unchanged.host.root}{PROGRAM}", restricted.request(do="observe")
    )
    assert json.loads(done.stdout)["error"]["code"] == "degraded"


def test_the_key_opens_nothing_but_a_session_without_terminal(unchanged: Intruder) -> None:
    """No forwarding of ports, agents or X11, no terminal, no root, and only from where it may come."""
    port = str(unchanged.host.info["port"])
    attempts = [
        unchanged.ssh("-W", f"127.0.0.1:{port}", "127.0.0.1"),
        unchanged.ssh("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "127.0.0.1", "true"),
        unchanged.ssh("-A", "127.0.0.1", 'test -n "$SSH_AUTH_SOCK"'),
        unchanged.ssh("-X", "127.0.0.1", 'test -n "$DISPLAY"'),
        unchanged.ssh("-tt", "127.0.0.1", "test -t 0"),
        unchanged.ssh("-b", "127.0.0.2", "127.0.0.1", "true"),
        unchanged.ssh("127.0.0.1", "true", user="root"),
    ]
    for argv in attempts:
        done = subprocess.run(argv, check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        assert done.returncode != 0, argv


def test_sftp_reaches_no_further_than_the_user(unchanged: Intruder) -> None:
    """Files can be copied as that user, so not over anything of root's."""
    argv = unchanged.ssh()
    argv[0:1] = ["sftp", "-b", "-"]
    argv[argv.index("-p")] = "-P"
    argv[argv.index("-l") : argv.index("-l") + 2] = ["-o", f"User={unchanged.user}"]
    target = f"{unchanged.host.root}{PROGRAM}"
    for batch in (f"put /etc/hostname {target}\n", f"get {unchanged.host.root}/etc/ctl.conf /dev/null\n"):
        done = subprocess.run(
            [*argv, "127.0.0.1"], check=False, input=batch, capture_output=True, text=True, timeout=60
        )
        assert done.returncode != 0
