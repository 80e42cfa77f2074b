"""
Runs on the storage host at the far end of an SSH channel: one Python process that stays.

Its source is sent over the channel and executed there, so nothing is installed. It gets whole scripts
as Ansible would pipe them into a fresh interpreter, and runs each in a forked child of its own, which has
already imported what the script's payload holds and waits for the script. Standard library only,
Python 3.9 or newer.

A frame is a line of JSON, then as many bytes as it announces. To here: `{blob: sha256, size}` keeps
bytes for later; `{call: id, size, pieces: […]}` runs the script put together from lengths of the text that
follows and names of blobs; `{cancel: id}` kills it. From here: `{agent: version}` once; `{call, rc, out,
err}` with the sizes of the two outputs, which follow. When the channel ends, so does everything here.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import importlib
import io
import json
import os
import pathlib
import selectors
import shutil
import signal
import sys
import tempfile
import traceback
import types
import zipfile
from typing import IO, Any

READ_BYTES = 1 << 16
DIED_OF_SIGNAL = 128
PAUSE_SECONDS = 0.02
STATUS = 3  # the descriptor of the pipe for the status, after the standard streams
# Far above what the channel and a few calls need; all of them are closed in a child.
DESCRIPTORS = 1024


class Call:
    """
    A child: the pipe it waits at for its script, and those it writes its two outputs and its exit status to.

    It tells its status itself, because to wait until a process is taken down takes longer.
    """

    def __init__(self, child: int, script: int, outputs: tuple[int, int], status: int) -> None:
        self.number = -1
        self.child = child
        self.script = script
        self.output = {pipe: bytearray() for pipe in outputs}
        self.status = status
        self.code: int | None = None
        self.open = {*outputs, status}


class Agent:
    """Serves one channel; `directory` is private and goes when the channel does."""

    def __init__(self, source: IO[bytes], sink: IO[bytes], directory: pathlib.Path) -> None:
        self.source = source
        self.sink = sink
        self.directory = directory
        self.blobs: dict[str, str] = {}
        self.calls: dict[int, Call] = {}
        self.spare: Call | None = None
        self.ending: list[int] = []
        self.selector = selectors.DefaultSelector()
        self.selector.register(source.fileno(), selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve until the channel ends, then kill what still runs."""
        self.send({"agent": 1}, b"")
        try:
            while self.step():
                pass
        finally:
            self.discard_spare()
            for number in list(self.calls):
                self.cancel(number)

    def step(self) -> bool:
        """Handle what is ready; False once the channel has ended."""
        wants_spare = self.spare is None and bool(self.blobs) and not self.calls
        ready = self.selector.select(PAUSE_SECONDS if wants_spare or self.ending else None)
        for key, _ in ready:
            if key.data is not None:
                self.collect(key.data, key.fd)
            elif not self.receive():
                return False
        if not ready:
            # Not before there is a pause: whoever just got an answer has more use for the processor.
            self.ending = [child for child in self.ending if os.waitpid(child, os.WNOHANG)[0] == 0]
            if wants_spare:
                self.spare = self.fork()
        return True

    def receive(self) -> bool:
        """Take one frame. The source is unbuffered beyond it, so select tells of the next."""
        line = read_line(self.source)
        if not line:
            return False
        frame = json.loads(line)
        if "blob" in frame:
            self.keep(frame["blob"], read_bytes(self.source, frame["size"]))
        elif "cancel" in frame:
            self.cancel(frame["cancel"])
        else:
            self.start(frame["call"], line + read_bytes(self.source, frame["size"]))
        return True

    def keep(self, name: str, data: bytes) -> None:
        """Remember a blob; if it is a payload of Python code, import the shared part of it now."""
        self.discard_spare()
        self.blobs[name] = data.decode()
        payload = base64.b64decode(data)
        if zipfile.is_zipfile(io.BytesIO(payload)):
            path = self.directory / (name + ".zip")
            path.write_bytes(payload)
            preload(path)
        gc.collect()
        gc.freeze()

    def fork(self) -> Call:
        """Fork a child that waits for a script."""
        script, out, err, status = os.pipe(), os.pipe(), os.pipe(), os.pipe()
        ends = (script[0], out[1], err[1], status[1])
        child = os.fork()
        if child == 0:
            self.become_script(ends)
        for end in ends:
            os.close(end)
        return Call(child, script[1], (out[0], err[0]), status[0])

    def start(self, number: int, frame: bytes) -> None:
        """Give a child its script."""
        call, self.spare = self.spare or self.fork(), None
        call.number = number
        self.calls[number] = call
        for pipe in call.open:
            self.selector.register(pipe, selectors.EVENT_READ, call)
        # A child that died instead of reading is told of by its outputs' end.
        with contextlib.suppress(BrokenPipeError), os.fdopen(call.script, "wb") as pipe_to_child:
            pipe_to_child.write(frame)

    def collect(self, call: Call, pipe: int) -> None:
        """Take what the child has written; once both outputs have ended and its status is known, answer."""
        data = os.read(pipe, READ_BYTES)
        if pipe == call.status:
            call.code = data[0] if data else None
        elif data:
            call.output[pipe] += data
            return
        self.selector.unregister(pipe)
        os.close(pipe)
        call.open.remove(pipe)
        if not call.open and self.calls.pop(call.number, None) is not None:
            self.answer(call)

    def answer(self, call: Call) -> None:
        """Send how a call ended."""
        if call.code is None:  # it was killed, or ended in a way of its own
            code = os.waitstatus_to_exitcode(os.waitpid(call.child, 0)[1])
            call.code = code if code >= 0 else DIED_OF_SIGNAL - code
        else:
            self.ending.append(call.child)
        out, err = call.output.values()
        self.send({"call": call.number, "rc": call.code, "out": len(out), "err": len(err)}, bytes(out + err))

    def send(self, header: dict[str, Any], data: bytes) -> None:
        """Send one frame."""
        self.sink.write(json.dumps(header).encode() + b"\n" + data)
        self.sink.flush()

    def cancel(self, number: int) -> None:
        """Kill a call nobody waits for any more, with everything it has started."""
        call = self.calls.pop(number, None)
        if call is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(call.child, signal.SIGKILL)
        for pipe in call.open:
            self.selector.unregister(pipe)
            os.close(pipe)
        os.waitpid(call.child, 0)

    def discard_spare(self) -> None:
        """Let the waiting child go: it knows less than it should, or is not needed."""
        call, self.spare = self.spare, None
        if call is not None:
            # Not by closing its pipe: that is how it learns that this process was killed.
            os.kill(call.child, signal.SIGKILL)
            for pipe in (call.script, *call.open):
                os.close(pipe)
            os.waitpid(call.child, 0)

    def become_script(self, descriptors: tuple[int, ...]) -> None:
        """Turn this forked child into an interpreter that gets its script on its standard input."""
        code = 1
        try:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            place(descriptors)
            touch()
            code_of_script = self.read_script()
            if code_of_script is None:
                os._exit(0)
            sys.argv = [""]
            exec(code_of_script, {"__name__": "__main__"})  # noqa: S102 - that is its purpose
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - an interpreter prints it and ends with 1
            traceback.print_exc()
        finally:
            end_process(code)

    def read_script(self) -> types.CodeType | None:
        """Wait for the script; None when there will be none."""
        source = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - a descriptor, not a file
        line = read_line(source)
        if not line:
            # The agent was killed, and could not clean up. (Its pipes end before a new parent is given.)
            shutil.rmtree(self.directory, ignore_errors=True)
            return None
        frame = json.loads(line)
        text = read_bytes(source, frame["size"]).decode()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        return compiled(text, frame["pieces"], self.blobs)


def compiled(text: str, pieces: list[int | str], blobs: dict[str, str]) -> types.CodeType:
    """
    Compile a script that was taken apart.

    To scan a payload takes longer than all the rest of it. Where it is a string by itself, its name is
    compiled in its place, and only then exchanged for it.
    """
    script = []
    position = 0
    for piece in pieces:
        if isinstance(piece, int):
            script.append(text[position : position + piece])
            position += piece
        else:
            script.append(piece)
    code = compile("".join(script), "<stdin>", "exec")
    exchanged, count = exchange(code, blobs)
    if count == len(pieces) // 2:
        return exchanged
    return compile("".join(blobs.get(str(piece), str(piece)) for piece in script), "<stdin>", "exec")


def exchange(code: types.CodeType, blobs: dict[str, str]) -> tuple[types.CodeType, int]:
    """Exchange constants that are names of blobs for the blobs; tell how many there were."""
    constants: list[Any] = []
    count = 0
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner, more = exchange(constant, blobs)
            constants.append(inner)
            count += more
        elif isinstance(constant, str) and constant in blobs:
            constants.append(blobs[constant])
            count += 1
        else:
            constants.append(constant)
    return code.replace(co_consts=tuple(constants)), count


def touch() -> None:
    """Write to the pages that running Python writes to, so that they are copied before it matters."""
    gc.unfreeze()
    for _ in gc.get_objects():
        pass
    gc.freeze()


def place(descriptors: tuple[int, ...]) -> None:
    """Make these the three standard streams and `STATUS`, which commands do not inherit, and close all else."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number, inheritable=number != STATUS)
    os.closerange(len(descriptors), DESCRIPTORS)


def end_process(code: int) -> None:
    """End this child as an interpreter would, but without what the agent registered for its own end."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        for number in (1, 2):
            os.close(number)
        os.write(STATUS, bytes([code & 0xFF]))
        os._exit(code & 0xFF)


def preload(path: pathlib.Path) -> None:
    """Import every module_utils file in a payload, so that children find it done."""
    sys.path.insert(0, str(path))
    with zipfile.ZipFile(path) as payload:
        names = payload.namelist()
    for name in names:
        if "/module_utils/" in name and name.endswith(".py"):
            module = name[: -len("/__init__.py")] if name.endswith("/__init__.py") else name[: -len(".py")]
            # What cannot be imported ahead is imported, or fails, in the child: as without an agent.
            with contextlib.suppress(Exception):
                importlib.import_module(module.replace("/", "."))


def read_line(source: IO[bytes]) -> bytes:
    """One line, read byte by byte so that nothing behind it is taken from the channel."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = source.read(1)
        if not byte:
            return b""
        line += byte
    return bytes(line)


def read_bytes(source: IO[bytes], size: int) -> bytes:
    """Exactly `size` bytes."""
    data = bytearray()
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def main() -> None:
    """Serve the standard streams; whatever ends this process, its directory goes with it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="freebsd-storage-agent-"))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    source = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - a descriptor, not a file
    sink = os.fdopen(os.dup(1), "wb")
    # What a script prints by mistake outside of its child must not garble the frames.
    os.dup2(2, 1)
    try:
        with contextlib.suppress(EOFError, BrokenPipeError):
            Agent(source, sink, directory).serve()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
