"""
Runs on the storage host at the far end of an SSH channel, one Python process that stays.

Its source is sent over the channel and executed there, so nothing is installed. It gets whole
scripts as Ansible would pipe them into a fresh interpreter, and runs each in a forked child that
has already imported what the script's payload holds. Standard library only, Python 3.9 or newer.

A frame is a line of JSON, then as many bytes as it announces. To here: `{"blob": sha256, "size"}`
keeps bytes for later; `{"call": id, "pieces": [...]}` runs the script put together from texts and
blobs; `{"cancel": id}` kills it. From here: `{"call", "rc", "out", "err"}` with the sizes of the
two outputs, which follow. When the channel ends, so does everything here.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import selectors
import shutil
import signal
import sys
import tempfile
import traceback
import zipfile

READ_BYTES = 1 << 16


class Call:
    """A script that runs in a child: its outputs so far, and the pipes they come from."""

    def __init__(self, number, child, pipes):
        self.number = number
        self.child = child
        self.output = {pipe: io.BytesIO() for pipe in pipes}
        self.open = set(pipes)


class Agent:
    """Serves one channel; `directory` is private and goes when the channel does."""

    def __init__(self, source, sink, directory):
        self.source = source
        self.sink = sink
        self.directory = directory
        self.blobs = {}
        self.calls = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(source.fileno(), selectors.EVENT_READ)

    def serve(self):
        """Serve until the channel ends, then kill what still runs."""
        try:
            while self.step():
                pass
        finally:
            for number in list(self.calls):
                self.cancel(number)

    def step(self):
        """Handle what is ready; False once the channel has ended."""
        for key, _ in self.selector.select():
            if key.data is not None:
                self.collect(key.data, key.fd)
            elif not self.receive():
                return False
        return True

    def receive(self):
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
            self.start(frame["call"], read_bytes(self.source, frame["size"]).decode(), frame["pieces"])
        return True

    def keep(self, name, data):
        """Remember a blob; if it is a payload of Python code, import the shared part of it now."""
        self.blobs[name] = data.decode()
        payload = base64.b64decode(data)
        if zipfile.is_zipfile(io.BytesIO(payload)):
            path = os.path.join(self.directory, name + ".zip")
            with open(path, "wb") as file:
                file.write(payload)
            preload(path)

    def start(self, number, text, pieces):
        """Run the script made of `pieces`: lengths of text, and names of blobs."""
        script = []
        position = 0
        for piece in pieces:
            if isinstance(piece, int):
                script.append(text[position : position + piece])
                position += piece
            else:
                script.append(self.blobs[piece])
        out, err = os.pipe(), os.pipe()
        child = os.fork()
        if child == 0:
            become("".join(script), out[1], err[1])
        os.close(out[1])
        os.close(err[1])
        call = Call(number, child, (out[0], err[0]))
        self.calls[number] = call
        for pipe in call.open:
            self.selector.register(pipe, selectors.EVENT_READ, call)

    def collect(self, call, pipe):
        """Take what the child has written; once both outputs have ended, send the answer."""
        data = os.read(pipe, READ_BYTES)
        if data:
            call.output[pipe].write(data)
            return
        self.selector.unregister(pipe)
        os.close(pipe)
        call.open.remove(pipe)
        if not call.open and self.calls.pop(call.number, None):
            _, status = os.waitpid(call.child, 0)
            self.answer(call, os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))

    def answer(self, call, code):
        """Send how a call ended."""
        out, err = (stream.getvalue() for stream in call.output.values())
        frame = {"call": call.number, "rc": code, "out": len(out), "err": len(err)}
        self.sink.write(json.dumps(frame).encode() + b"\n" + out + err)
        self.sink.flush()

    def cancel(self, number):
        """Kill a call nobody waits for any more, with everything it has started."""
        call = self.calls.pop(number, None)
        if call is None:
            return
        try:
            os.killpg(call.child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        for pipe in list(call.open):
            self.selector.unregister(pipe)
            os.close(pipe)
        os.waitpid(call.child, 0)


def become(script, out, err):
    """Turn this forked child into an interpreter that was given the script on its standard input."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 1024)
        sys.argv = [""]
        exec(compile(script, "<stdin>", "exec"), {"__name__": "__main__"})  # noqa: S102
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def preload(path):
    """Import every module_utils file in a payload, so that children find it done."""
    sys.path.insert(0, path)
    with zipfile.ZipFile(path) as payload:
        names = payload.namelist()
    for name in names:
        if "/module_utils/" in name and name.endswith(".py"):
            module = name[: -len("/__init__.py")] if name.endswith("/__init__.py") else name[: -len(".py")]
            try:
                importlib.import_module(module.replace("/", "."))
            except Exception:
                # What cannot be imported ahead is imported, or fails, in the child: as without an agent.
                continue


def read_line(source):
    """One line, read byte by byte so that nothing behind it is taken from the channel."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = source.read(1)
        if not byte:
            return b""
        line += byte
    return bytes(line)


def read_bytes(source, size):
    """Exactly `size` bytes."""
    data = bytearray()
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise EOFError
        data += more
    return bytes(data)


def main():
    """Serve the standard streams; whatever ends this process, its directory goes with it."""
    directory = tempfile.mkdtemp(prefix="freebsd-storage-agent-")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    source = open(0, "rb", buffering=0, closefd=False)
    sink = os.fdopen(os.dup(1), "wb")
    # What a script prints by mistake outside of its child must not garble the frames.
    os.dup2(2, 1)
    try:
        Agent(source, sink, directory).serve()
    except EOFError:
        pass
    finally:
        shutil.rmtree(directory, ignore_errors=True)


main()
