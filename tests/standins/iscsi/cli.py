"""The command line: exactly the calls that the driver and the test harness make."""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from iscsi import texts
from iscsi.state import State

_WORDS = {"-m": "mode", "-T": "target", "-p": "portal", "-I": "iface", "-o": "op", "-P": "detail"}
_FLAGS = {"--login": "login", "--logout": "logout", "-u": "logout", "-R": "rescan"}
_SETTINGS = frozenset(
    {
        "node.startup",
        "node.conn[0].startup",
        "node.session.timeo.replacement_timeout",
        "node.session.initial_login_retry_max",
        "node.conn[0].timeo.login_timeout",
        "node.session.auth.authmethod",
        "node.session.auth.username",
        "node.session.auth.password",
        "node.session.auth.username_in",
        "node.session.auth.password_in",
    }
)
_DEFAULTS = {
    "node.startup": "manual",
    "node.session.timeo.replacement_timeout": "120",
    "node.session.auth.authmethod": "None",
}
_UNPROVEN = 0
_INITIATOR_ERROR = 2


class NotSimulated(Exception):
    """A call that iscsiadm may know but this stand-in does not."""


def main(argv: list[str]) -> int:
    """Do what the arguments say; return the exit status."""
    try:
        words, pairs = _parsed(argv)
        return _dispatch(State.from_environment(), words, pairs)
    except NotSimulated as problem:
        _complain(f"stand-in iscsiadm: {problem} is not simulated: iscsiadm {' '.join(argv)}")
        return texts.NOT_SIMULATED


def _parsed(argv: list[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    words: dict[str, str] = {}
    pairs: list[tuple[str, str]] = []
    rest = iter(argv)
    for word in rest:
        if word in _FLAGS:
            words[_FLAGS[word]] = "yes"
        elif word in _WORDS:
            words[_WORDS[word]] = next(rest, "")
        elif word == "-n":
            name, flag, value = next(rest, ""), next(rest, ""), next(rest, "")
            if flag != "-v":
                raise NotSimulated("-n without -v")
            pairs.append((name, value))
        else:
            raise NotSimulated(f"the word {word!r}")
    return words, pairs


def _dispatch(state: State, words: dict[str, str], pairs: list[tuple[str, str]]) -> int:
    call = (words.pop("mode", ""), words.pop("op", ""), *sorted(words))
    chosen = _CALLS.get(call)
    if chosen is None:
        raise NotSimulated("this combination")
    if pairs and call[1] != "update":
        raise NotSimulated("-n here")
    return int(chosen(state, words, pairs))


# Sessions


def _session_tree(state: State, words: dict[str, str], _: object) -> int:
    if words["detail"] != "3":
        raise NotSimulated(f"-P {words['detail']}")
    found = state.sessions()
    if not found:
        _complain(texts.NO_SESSIONS)
        return texts.NOT_FOUND
    print(texts.TREE_HEAD)
    former: dict[str, Any] = {}
    for session in found:
        _print_session(session, former)
        former = session
    return texts.OK


def _print_session(session: dict[str, Any], former: dict[str, Any]) -> None:
    """Print a session; what it shares with the former one is not said again (session_info.c)."""
    same_target = session["target"] == former.get("target")
    if not same_target:
        print(texts.TREE_TARGET.format(**session))
    same_portal = same_target and session["portal"] == former.get("portal")
    print("" if same_portal else texts.TREE_PORTAL.format(**session))
    up = session["state"] == "LOGGED_IN"
    connection, internal = ("LOGGED IN", "NO CHANGE") if up else ("TRANSPORT WAIT", "REOPEN")
    print(texts.TREE_SESSION.format(**session, connection=connection, internal=internal))
    for disk in session["disks"]:
        print(texts.TREE_LUN.format(sid=session["sid"], lun=disk["lun"]))
        print(texts.TREE_DISK.format(disk=disk["name"]))


def _logout_all(state: State, _: object, __: object) -> int:
    return _log_out(state, state.sessions())


# Interfaces


def _iface_show(state: State, words: dict[str, str], _: object) -> int:
    record = state.iface(words["iface"])
    if record is None:
        _complain(texts.NO_IFACE_FILE.format(name=words["iface"]))
        return texts.IDBM
    print(texts.IFACE_RECORD.format(name=words["iface"], initiator=record.get("initiator", "<empty>")))
    return texts.OK


def _iface_new(state: State, words: dict[str, str], _: object) -> int:
    if any(session["iface"] == words["iface"] for session in state.sessions()):
        _complain(f"iscsiadm: Could not create new interface {words['iface']}.")
        return texts.SESSION_EXISTS
    state.write_iface(words["iface"], {})
    print(texts.IFACE_NEW.format(name=words["iface"]))
    return texts.OK


def _iface_update(state: State, words: dict[str, str], pairs: list[tuple[str, str]]) -> int:
    if [name for name, _ in pairs] != ["iface.initiatorname"]:
        raise NotSimulated("this setting of an interface")
    state.write_iface(words["iface"], {"initiator": pairs[0][1]})
    print(texts.IFACE_UPDATED.format(name=words["iface"]))
    return texts.OK


# Nodes


def _node_new(state: State, words: dict[str, str], _: object) -> int:
    node = {**_DEFAULTS, **words}
    if _in_use(state, node):
        _complain(texts.IN_USE.format(**_said(node)))
        return texts.SESSION_EXISTS
    state.write_node(node)
    print(texts.NODE_NEW.format(**_said(node)))
    return texts.OK


def _node_update(state: State, words: dict[str, str], pairs: list[tuple[str, str]]) -> int:
    for name, _ in pairs:
        if name not in _SETTINGS:
            _complain(texts.BAD_NAME.format(name=name))
            return texts.INVALID
    found = state.nodes(**words)
    for node in found:
        state.write_node({**node, **dict(pairs)})
    return texts.OK if found else _no_records()


def _node_delete(state: State, words: dict[str, str], _: object) -> int:
    found = state.nodes(**words)
    for node in found:
        if _in_use(state, node):
            _complain(texts.IN_USE.format(**_said(node)))
            return texts.SESSION_EXISTS
        state.delete_node(node)
    return texts.OK if found else _no_records()


def _login(state: State, words: dict[str, str], _: object) -> int:
    words.pop("login")
    found = state.nodes(**words)
    if not found:
        return _no_records()
    codes = [_log_in(state, node) for node in found]
    failed = [code for code in codes if code != texts.OK]
    if failed:
        _complain(texts.NOT_ALL_LOGINS)
    return failed[0] if failed else texts.OK


def _log_in(state: State, node: dict[str, str]) -> int:
    from iscsi import holder

    if _in_use(state, node):
        _complain(texts.PRESENT.format(**node))
        return texts.SESSION_EXISTS
    print(texts.LOGGING_IN.format(**_said(node)), flush=True)
    iface = state.iface(node["iface"]) or {}
    outcome = holder.spawn(state, node, iface.get("initiator", ""))
    if "ok" in outcome:
        if os.geteuid() != 0:
            _complain("stand-in iscsiadm: not root: the disk is a plain file and cannot be mounted")
        print(texts.LOGGED_IN.format(**_said(node)))
        return texts.OK
    code = _login_code(outcome)
    _complain(texts.LOGIN_FAILED.format(**_said(node), code=code, reason=texts.REASONS[code]))
    if "failed" in outcome:
        _complain(f"stand-in iscsiadm: {outcome['failed']}")
    return code


def _login_code(outcome: dict[str, Any]) -> int:
    """Map a login status (RFC 7143, 11.13.5) as iscsid does (initiator.c)."""
    if "refused" not in outcome:
        return texts.TIMEOUT
    status_class, detail = outcome["refused"]
    if status_class == _UNPROVEN:
        return texts.FATAL_LOGIN  # the target was fine with it, iscsid was not
    if status_class != _INITIATOR_ERROR:
        return texts.TIMEOUT  # iscsid tries such again, until it gives up
    return texts.LOGIN_AUTH_FAILED if detail in (1, 2) else texts.FATAL_LOGIN


def _logout(state: State, words: dict[str, str], _: object) -> int:
    found = [session for session in state.sessions() if session["target"] == words["target"]]
    return _log_out(state, found)


def _log_out(state: State, found: list[dict[str, Any]]) -> int:
    if not found:
        _complain(texts.NO_MATCHING_SESSIONS)
        return texts.NOT_FOUND
    for session in found:
        print(texts.LOGGING_OUT.format(**_said(session)))
        _order(state, session, "logout")
        print(texts.LOGGED_OUT.format(**_said(session)))
    return texts.OK


def _rescan(state: State, words: dict[str, str], _: object) -> int:
    found = [session for session in state.sessions() if session["target"] == words["target"]]
    if not found:
        _complain(texts.NO_SESSION)
        return texts.NOT_FOUND
    for session in found:
        print(texts.RESCANNING.format(**_said(session)))
        _order(state, session, "rescan")
    return texts.OK


def _needing_iface(call: Any) -> Any:
    def checked(state: State, words: dict[str, str], pairs: list[tuple[str, str]]) -> int:
        if state.iface(words["iface"]) is None:
            _complain(texts.NO_IFACE.format(name=words["iface"]))
            return texts.NOMEM
        return int(call(state, words, pairs))

    return checked


_CALLS: dict[tuple[str, ...], Any] = {
    ("session", "", "detail"): _session_tree,
    ("session", "", "logout"): _logout_all,
    ("iface", "", "iface"): _iface_show,
    ("iface", "new", "iface"): _iface_new,
    ("iface", "update", "iface"): _iface_update,
    ("node", "new", "iface", "portal", "target"): _needing_iface(_node_new),
    ("node", "update", "iface", "portal", "target"): _needing_iface(_node_update),
    ("node", "", "iface", "login", "target"): _needing_iface(_login),
    ("node", "delete", "target"): _node_delete,
    ("node", "", "logout", "target"): _logout,
    ("node", "", "rescan", "target"): _rescan,
}


def _order(state: State, session: dict[str, Any], order: str) -> None:
    """Tell a session's holder what to do, and wait until it has done so."""
    os.chdir(state.root)
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(state.socket_path(session["sid"]))
            client.sendall(order.encode())
            client.recv(16)
        except OSError as error:
            _complain(f"stand-in iscsiadm: session {session['sid']} is ending: {error}")


def _in_use(state: State, node: dict[str, str]) -> bool:
    wanted = (node["target"], node["portal"], node["iface"])
    return any((session["target"], session["portal"], session["iface"]) == wanted for session in state.sessions())


def _said(record: dict[str, Any]) -> dict[str, Any]:
    address, _, port = record["portal"].rpartition(":")
    return {**record, "address": address.strip("[]"), "port": port}


def _no_records() -> int:
    _complain(texts.NO_RECORDS)
    return texts.NOT_FOUND


def _complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
