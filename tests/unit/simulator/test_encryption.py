"""Encrypted volumes: whose key they need, what goes without it, and what zfs says of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.registry import Result
from tests.unit.simulator.box import Box

PASSPHRASE = "correct horse battery"
ENCRYPTED = "-o encryption=aes-256-gcm -o keyformat=passphrase -o keylocation=prompt"


def fed(box: Box, command: str, said: str | bytes, user: str = "root") -> Result:
    """The command with this on its standard input."""
    path = box.root / "said"
    path.write_bytes(said if isinstance(said, bytes) else said.encode())
    return box.run(command, user, stdin=path)


def make(box: Box, name: str = "tank/csi/v", options: str = ENCRYPTED, said: str | bytes = PASSPHRASE) -> None:
    made = fed(box, f"zfs create -s -V 64M {options} {name}", said)
    assert (made.rc, made.out, made.err) == (0, "", "")


def told(box: Box, name: str = "tank/csi/v") -> list[str]:
    properties = "encryption,keylocation,keyformat,pbkdf2iters,encryptionroot,keystatus"
    return box.must(f"zfs get -Hp -o property,value,source {properties} {name}").splitlines()


def test_what_is_told_of_an_encrypted_volume_and_of_a_plain_one(box: Box) -> None:
    make(box)
    assert told(box) == [
        "encryption\taes-256-gcm\t-",
        "keylocation\tprompt\tlocal",
        "keyformat\tpassphrase\t-",
        "pbkdf2iters\t350000\t-",
        "encryptionroot\ttank/csi/v\t-",
        "keystatus\tavailable\t-",
    ]
    box.must("zfs create -s -V 64M tank/csi/plain")
    assert told(box, "tank/csi/plain") == [
        "encryption\toff\tdefault",
        "keylocation\tnone\tdefault",
        "keyformat\tnone\tdefault",
        "pbkdf2iters\t0\tdefault",
        "encryptionroot\t-\t-",
        "keystatus\t-\t-",
    ]
    assert "keystatus" not in box.must("zfs get -H all tank/csi/plain")


@pytest.mark.parametrize(
    ("options", "said", "reason"),
    [
        (ENCRYPTED, "short", "Passphrase too short (min 8)."),
        (ENCRYPTED, "", "Passphrase too short (min 8)."),
        (ENCRYPTED, "x" * 513, "Passphrase too long (max 512)."),
        ("-o encryption=on -o keyformat=raw", b"x" * 31, "Raw key too short (expected 32)."),
        ("-o encryption=on -o keyformat=raw", b"x" * 33, "Raw key too long (expected 32)."),
        ("-o encryption=on -o keyformat=hex", "a" * 63, "Hex key too short (expected 64)."),
        ("-o encryption=on -o keyformat=hex", "g" * 64, "Invalid hex character detected."),
        ("-o encryption=on", PASSPHRASE, "Keyformat required for new encryption root."),
        ("-o keyformat=raw", PASSPHRASE, "Encryption must be turned on to set encryption properties."),
        (
            "-o encryption=on -o keyformat=raw -o pbkdf2iters=100000",
            b"x" * 32,
            "Cannot specify pbkdf2iters with a non-passphrase keyformat.",
        ),
    ],
)
def test_a_key_that_cannot_be_one_makes_nothing(box: Box, options: str, said: str | bytes, reason: str) -> None:
    result = fed(box, f"zfs create -s -V 64M {options} tank/csi/v", said)
    assert (result.rc, result.err) == (1, f"cannot create 'tank/csi/v': {reason}\n")
    assert box.run("zfs list tank/csi/v").rc == 1


@pytest.mark.parametrize(
    ("options", "said", "other"),
    [
        (ENCRYPTED, PASSPHRASE, "another passphrase"),
        ("-o encryption=on -o keyformat=raw", bytes(range(32)), bytes(32)),
        ("-o encryption=on -o keyformat=hex", "ab" * 32, "cd" * 32),
    ],
)
def test_a_reboot_takes_the_key_and_the_right_one_brings_the_device_back(
    box: Box, options: str, said: str | bytes, other: str | bytes
) -> None:
    make(box, options=options, said=said)
    box.write("tank/csi/v", b"secret data")
    box.machine.reboot()
    assert box.value("tank/csi/v", "keystatus") == "unavailable"
    assert not box.device("tank/csi/v").exists()
    wrong = fed(box, "zfs load-key tank/csi/v", other)
    assert (wrong.rc, wrong.err) == (255, "Key load error: Incorrect key provided for 'tank/csi/v'.\n")
    tried = fed(box, "zfs load-key -n tank/csi/v", said)
    assert (tried.rc, tried.out) == (0, "1 / 1 key(s) successfully verified\n")
    assert not box.device("tank/csi/v").exists()
    assert fed(box, "zfs load-key tank/csi/v", said) == Result(0)
    assert box.read("tank/csi/v", 11) == b"secret data"
    again = fed(box, "zfs load-key tank/csi/v", said)
    assert (again.rc, again.err) == (255, "Key load error: Key already loaded for 'tank/csi/v'.\n")
    failed = fed(box, "zfs load-key -n tank/csi/v", other)
    assert (failed.rc, failed.out) == (255, "0 / 1 key(s) successfully verified\n")


def test_only_the_first_line_is_a_passphrase(box: Box) -> None:
    make(box, said=f"{PASSPHRASE}\n{PASSPHRASE}\n")
    assert fed(box, "zfs load-key -n tank/csi/v", PASSPHRASE).rc == 0


def test_a_key_in_use_stays_and_an_unloaded_one_takes_the_device_with_it(box: Box) -> None:
    make(box)
    box.machine.storage.open_volume("/dev/zvol/tank/csi/v", "ctl")
    busy = box.run("zfs unload-key tank/csi/v")
    assert (busy.rc, busy.err) == (255, "Key unload error: 'tank/csi/v' is busy.\n")
    box.machine.storage.close_volume("/dev/zvol/tank/csi/v", "ctl")
    assert box.run("zfs unload-key tank/csi/v") == Result(0)
    assert not box.device("tank/csi/v").exists()
    again = box.refused("zfs unload-key tank/csi/v")
    assert again == "Key unload error: Key already unloaded for 'tank/csi/v'.\n"
    box.must("zfs create -s -V 64M tank/csi/plain")
    assert box.refused("zfs unload-key tank/csi/plain") == "Key unload error: 'tank/csi/plain' is not encrypted.\n"
    assert box.refused("zfs load-key").startswith("Missing dataset argument or -a option\nusage:\n")


def test_without_its_key_a_volume_lives_on_but_gets_no_other_size(box: Box) -> None:
    make(box)
    box.must("zfs unload-key tank/csi/v")
    box.must("zfs snapshot tank/csi/v@a")
    box.must("zfs rollback tank/csi/v@a")
    box.must("zfs set org.example:a=b tank/csi/v")
    assert box.refused("zfs set volsize=128M tank/csi/v") == (
        "cannot set property for 'tank/csi/v': permission denied\n"
    )
    sent = box.run("zfs send tank/csi/v@a", stdout=Path("/dev/null"))
    assert sent.err == "warning: cannot send 'tank/csi/v@a': dataset key must be loaded\n"
    box.must("zfs create tank/csi/trash")
    box.must("zfs rename tank/csi/v tank/csi/trash/v")
    assert box.value("tank/csi/trash/v", "encryptionroot") == "tank/csi/trash/v"
    box.must("zfs destroy tank/csi/trash/v@a")
    box.must("zfs destroy tank/csi/trash/v")


def test_a_clone_has_the_key_of_its_origin_and_follows_its_name(box: Box) -> None:
    make(box)
    box.must("zfs snapshot tank/csi/v@a")
    given = box.refused("zfs clone -o encryption=on tank/csi/v@a tank/csi/c")
    assert given == "cannot create 'tank/csi/c': 'encryption' is readonly\n"
    given = box.refused("zfs clone -o keyformat=raw tank/csi/v@a tank/csi/c")
    assert given == "cannot create 'tank/csi/c': Encryption properties must inherit from origin dataset.\n"
    box.must("zfs clone tank/csi/v@a tank/csi/c")
    assert told(box, "tank/csi/c") == [
        "encryption\taes-256-gcm\t-",
        "keylocation\tnone\tdefault",
        "keyformat\tpassphrase\t-",
        "pbkdf2iters\t350000\t-",
        "encryptionroot\ttank/csi/v\t-",
        "keystatus\tavailable\t-",
    ]
    assert box.refused("zfs unload-key tank/csi/c") == (
        "Key unload error: Keys must be unloaded for encryption root of 'tank/csi/c' (tank/csi/v).\n"
    )
    box.must("zfs create tank/csi/trash")
    box.must("zfs rename tank/csi/v tank/csi/trash/v")
    assert box.value("tank/csi/c", "encryptionroot") == "tank/csi/trash/v"
    for target in ("tank/csi/trash/c", "tank/csi/d"):
        refused = box.refused(f"zfs rename tank/csi/c {target}")
        assert refused == "cannot rename 'tank/csi/c': cannot move encrypted child outside of its encryption root\n"


def test_a_clone_in_use_holds_the_key_and_an_unused_one_is_left_without_it(box: Box) -> None:
    make(box)
    box.must("zfs snapshot tank/csi/v@a")
    box.must("zfs clone tank/csi/v@a tank/csi/c")
    box.machine.storage.open_volume("/dev/zvol/tank/csi/c", "ctl")
    assert box.refused("zfs unload-key tank/csi/v") == "Key unload error: 'tank/csi/v' is busy.\n"
    box.machine.storage.close_volume("/dev/zvol/tank/csi/c", "ctl")
    box.must("zfs unload-key tank/csi/v")
    assert box.device("tank/csi/c").exists()
    with pytest.raises(PermissionError):
        box.machine.storage.open_volume("/dev/zvol/tank/csi/c", "ctl")


def test_a_loaded_key_brings_clones_but_not_the_clones_of_clones(box: Box) -> None:
    """Those get their device when volmode is set, even to what it is."""
    make(box)
    for source, clone in (("v", "c"), ("c", "d")):
        box.must(f"zfs snapshot tank/csi/{source}@a")
        box.must(f"zfs clone -o volmode=dev tank/csi/{source}@a tank/csi/{clone}")
    box.machine.reboot()
    assert fed(box, "zfs load-key tank/csi/v", PASSPHRASE).rc == 0
    assert box.device("tank/csi/c").exists()
    assert not box.device("tank/csi/d").exists()
    box.must("zfs set volmode=dev tank/csi/d")
    assert box.device("tank/csi/d").exists()


def test_what_lies_below_a_locked_filesystem_cannot_be_made(box: Box) -> None:
    assert fed(box, f"zfs create {ENCRYPTED} -o canmount=off tank/csi/safe", PASSPHRASE).rc == 0
    box.must("zfs create -s -V 64M tank/csi/safe/v")
    assert box.value("tank/csi/safe/v", "encryptionroot") == "tank/csi/safe"
    box.must("zfs unload-key tank/csi/safe")
    assert not box.device("tank/csi/safe/v").exists()
    refused = box.refused("zfs create -s -V 64M tank/csi/safe/w")
    assert refused == "cannot create 'tank/csi/safe/w': encryption root's key is not loaded or provided\n"
    box.must("zfs create -s -V 64M -o encryption=off tank/csi/safe/plain")
    assert box.value("tank/csi/safe/plain", "encryption") == "off"


def test_three_copies_do_not_go_with_encryption(box: Box) -> None:
    make(box)
    refused = box.refused("zfs set copies=3 tank/csi/v")
    assert refused == "cannot set property for 'tank/csi/v': encrypted datasets cannot have 3 copies\n"


def test_a_delegated_user_needs_load_key(box: Box) -> None:
    box.must("zfs allow joe create,mount,volsize,keylocation tank/csi")
    assert fed(box, f"zfs create -s -V 64M {ENCRYPTED} tank/csi/v", PASSPHRASE, "joe").rc == 0
    denied = box.run("zfs unload-key tank/csi/v", "joe")
    assert (denied.rc, denied.err) == (255, "Key unload error: Permission denied.\n")
    box.must("zfs allow joe load-key tank/csi")
    assert box.run("zfs unload-key tank/csi/v", "joe").rc == 0
    assert fed(box, "zfs load-key tank/csi/v", PASSPHRASE, "joe").rc == 0


def test_keys_are_known_again_after_the_daemon_was_killed(box: Box) -> None:
    make(box)
    assert PASSPHRASE not in (box.root / "state.journal").read_text()
    again = box.again()
    assert again.value("tank/csi/v", "keystatus") == "available"
    assert fed(again, "zfs load-key -n tank/csi/v", PASSPHRASE).rc == 0
