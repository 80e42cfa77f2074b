# Copyright (c) 2026 the freebsd.storage contributors
# BSD-2-Clause (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

"""The program as its caller meets it: greeting, answers, and every reason to answer nothing."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.freebsd.storage.plugins.module_utils import _settings
from ansible_collections.freebsd.storage.plugins.module_utils._ctl.wire import PROTOCOL
from ansible_collections.freebsd.storage.plugins.module_utils._privileged import main
from ansible_collections.freebsd.storage.plugins.module_utils.errors import HostError

CALLERS = {"csi": {"owners": ["demo"], "parents": ["tank/csi"], "portal_groups": ["csi"]}}
OBSERVE = {"do": "observe", "owner": "demo", "seconds": 5}


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> main.Installation:
    """A settings directory, and no command anywhere."""
    folder = tmp_path / "settings"
    folder.mkdir(0o755)
    (folder / "callers.json").write_text(json.dumps(CALLERS))
    monkeypatch.setenv("PATH", str(tmp_path))
    return main.Installation(str(folder), "SUDO_USER", str(tmp_path))


def serve(installation: main.Installation, *lines: object, name: str = "csi", arguments: tuple[str, ...] = ()) -> Any:
    """Say the lines and return the answers; what is no bytes is said as JSON."""
    said = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
    heard = io.BytesIO()
    main.serve(installation, name, arguments, io.BytesIO(said), heard)
    return [json.loads(line) for line in heard.getvalue().splitlines()]


def test_it_greets_with_its_protocol_and_ends_with_its_input(installation: main.Installation) -> None:
    assert serve(installation) == [{"protocol": PROTOCOL}]


def test_without_ctld_and_ctladm_it_says_so(installation: main.Installation) -> None:
    _greeting, answer = serve(installation, OBSERVE)
    assert answer["error"]["code"] == "degraded"


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"{}\n",
        b"[]\n",
        b"\xff\xfe\n",
        b"[" * 100000 + b"\n",
        {**OBSERVE, "do": "exec"},
        {**OBSERVE, "argv": ["/bin/sh"]},
        {**OBSERVE, "owner": "prod"},
        {**OBSERVE, "config": "/tmp/ctl.conf"},
        {"do": "converge", "owner": "demo", "seconds": 5},
        {"do": "compare", "owner": "demo", "seconds": 5},
        {"do": "converge", "owner": "demo", "seconds": 5, "wanted": {}},
    ],
)
def test_what_is_not_understood_is_refused_and_the_next_is_heard(installation: main.Installation, line: object) -> None:
    answers = serve(installation, line, {**OBSERVE, "owner": "prod"})
    assert [answer["error"]["code"] for answer in answers[1:]] in (["invalid", "denied"], ["denied", "denied"])


def test_arguments_are_refused_before_anything_else(installation: main.Installation) -> None:
    (answer,) = serve(installation, OBSERVE, arguments=("--help",))
    assert answer["error"]["code"] == "invalid"
    assert not Path(installation.settings_dir, "ctl.lock").exists()


@pytest.mark.parametrize("name", ["", "root", "csi2", "demo"])
def test_who_is_not_listed_is_refused(installation: main.Installation, name: str) -> None:
    (answer,) = serve(installation, OBSERVE, name=name)
    assert answer["error"]["code"] == "denied"


@pytest.mark.parametrize("line", [b"x" * (main.REQUEST_LIMIT + 2), b"{"])
def test_a_line_without_an_end_ends_it(installation: main.Installation, line: bytes) -> None:
    _greeting, answer = serve(installation, line)
    assert answer["error"]["code"] == "invalid"


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_callers_that_others_can_change_are_not_believed(installation: main.Installation, mode: int) -> None:
    Path(installation.settings_dir, "callers.json").chmod(mode)
    (answer,) = serve(installation, OBSERVE)
    assert answer["error"]["code"] == "denied"


def test_a_folder_that_others_can_change_is_not_believed(installation: main.Installation) -> None:
    Path(installation.settings_dir).chmod(0o777)
    (answer,) = serve(installation, OBSERVE)
    assert answer["error"]["code"] == "denied"


def test_a_link_is_not_followed(installation: main.Installation, tmp_path: Path) -> None:
    path = Path(installation.settings_dir, "callers.json")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    (answer,) = serve(installation, OBSERVE)
    assert answer["error"]["code"] == "degraded"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"csi": []}', '{"csi": {"owners": "demo"}}'])
def test_callers_that_make_no_sense_allow_nothing(installation: main.Installation, text: str) -> None:
    Path(installation.settings_dir, "callers.json").write_text(text)
    (answer,) = serve(installation, OBSERVE)
    assert answer["error"]["code"] in ("denied", "degraded")


def test_it_holds_the_lock_of_the_target_layer_as_long_as_it_listens(installation: main.Installation) -> None:
    class Input(io.BytesIO):
        def readline(self, *_size: Any) -> bytes:
            with pytest.raises(HostError, match="another run"):  # noqa: SIM117 - the inner one raises on entry
                with _settings.locked(installation.settings_dir, 0, name=_settings.CTL_LOCK):
                    pass
            return b""

    assert main.serve(installation, "csi", (), Input(), io.BytesIO()) == 0
    with _settings.locked(installation.settings_dir, 0, name=_settings.CTL_LOCK):
        pass


def test_a_caller_that_went_away_is_no_accident(installation: main.Installation) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb", buffering=0) as gone:
        assert main.serve(installation, "csi", (), io.BytesIO(), gone) == 1


def test_tokens_of_others_are_not_told() -> None:
    mine, other = "a" * 32, "b" * 32
    text = main._masked(f"iqn.x:demo.{mine} and iqn.x:prod.{other}, {other}", json.dumps({"token": mine}))
    assert text == f"iqn.x:demo.{mine} and iqn.x:prod.********, ********"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall(installation: main.Installation, line: bytes) -> None:
    answers = serve(installation, line.replace(b"\n", b"") + b"\n")
    assert [answer["error"]["code"] for answer in answers[1:]] == ["invalid"]
