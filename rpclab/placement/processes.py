"""The engine of child processes: each host is a fork of one zygote, on this machine.

Floor: sandbox. The zygote is started with the first host, and ends with the sandbox.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rpclab.errors import PlacementError, RemoteProtocolError
from rpclab.net.loops import running_loop
from rpclab.placement.boot import booting
from rpclab.placement.engine import HERE, End, Ended, Node
from rpclab.placement.forking import ASK, BEGUN, FORK, KILL, REFUSED, SAID, TELL
from rpclab.placement.records import HANDED, Incoming, packed

if TYPE_CHECKING:
    from rpclab.placement.engine import Bounds, Heard, Record

_READ = 64 * 1024
_PATIENCE = 5.0  # seconds that the zygote may take to go


class ProcessEngine:
    """Starts hosts as child processes.

    Args:
        preload: modules that the children have loaded from the start.

    Attributes:
        pids: the process ids of the hosts that run, by number.
    """

    far = False

    def __init__(self, preload: tuple[str, ...] = ()) -> None:
        self.pids: dict[int, int] = {}
        self._preload = preload
        self._lines: dict[int, ProcessLine] = {}
        self._tell: Callable[[Ended], None] = lambda _: None
        self._zygote: subprocess.Popen[bytes] | None = None
        self._ask: socket.socket | None = None
        self._told = b""
        self._why = ""  # what the zygote has said becomes of it
        self._loop: asyncio.AbstractEventLoop | None = None

    def nodes(self) -> list[Node]:
        cores = os.cpu_count()
        return [Node(HERE, tuple(self._lines), cores)]

    def place(
        self, number: int, heard: Heard, bounds: Bounds, node: str | None = None
    ) -> ProcessLine:
        del bounds, node  # a host bounds itself: its first record says how
        ask = self._wake_zygote()
        with _told_of_limits(), ExitStack() as opened:
            here, there = socket.socketpair()
            opened.callback(here.close)
            opened.callback(there.close)
            out, stdout = _pipe(opened)
            err, stderr = _pipe(opened)
            opened.pop_all()
        line = ProcessLine(self, number, here, {out: "stdout", err: "stderr"}, heard)
        try:
            handed = [there.fileno(), stdout, stderr]
            socket.send_fds(ask, [ASK.pack(FORK, number)], handed)
        except OSError as error:
            line.close()
            self._zygote_is_gone()
            raise PlacementError(f"no process can be started: {error}") from error
        finally:
            there.close()
            os.close(stdout)
            os.close(stderr)
        self._lines[number] = line
        return line

    def join(self, one: int | None, other: int | None) -> tuple[End, End]:
        del one, other  # whoever has an end can use it
        with _told_of_limits():
            near, far = socket.socketpair()
        return End({}, near), End({}, far)

    def watch(self, tell: Callable[[Ended], None]) -> None:
        self._tell = tell

    def stop(self, number: int) -> None:
        if self._ask is not None and number in self._lines:
            with suppress(OSError):
                self._ask.sendall(ASK.pack(KILL, number))

    def close(self) -> None:
        self._tell = lambda _: None
        for line in list(self._lines.values()):
            line.close()
        self._lines.clear()
        self.pids.clear()
        self._stop_listening()
        if self._ask is not None:
            self._ask.close()  # which ends the zygote, and all that it has forked
            self._ask = None
        if self._zygote is not None:
            # It kills them before it goes, so nothing is left when this returns.
            try:
                self._zygote.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._zygote.kill()
                self._zygote.wait()
            self._zygote = None

    # The zygote.

    def wake(self) -> None:
        """Have the zygote begin to load what hosts need.

        Raises:
            PlacementError: it cannot be started.
        """
        self._wake_zygote()

    def _wake_zygote(self) -> socket.socket:
        if self._ask is not None and self._zygote is not None and self._zygote.poll() is None:
            return self._ask
        self._zygote_is_gone()
        here, there = socket.socketpair()
        command = booting("zygote", *_flags())
        try:
            self._zygote = subprocess.Popen(  # noqa: S603 - it is this very library
                [*command, str(there.fileno()), *self._preload],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # what the terminal interrupts is the sandbox's business
            )
        except OSError as error:
            here.close()
            raise PlacementError(f"no process can be started: {error}") from error
        finally:
            there.close()
        self._ask = here
        self._told = b""
        weakref.finalize(self, here.close)
        self.attach()
        return here

    def _zygote_is_gone(self) -> None:
        """It was killed, and its children with it."""
        self._stop_listening()
        if self._ask is not None:
            self._ask.close()
            self._ask = None
        if self._zygote is not None:
            self._zygote.kill()
            self._zygote.wait()
            self._zygote = None
        why, self._why = self._why or "its zygote was killed", ""
        for number in list(self._lines):
            self._has_ended(Ended(number, -int(signal.SIGKILL), why))

    def attach(self) -> None:
        """Listen to the zygote on the running loop, if there is one."""
        loop = running_loop()
        if loop is not None and loop is not self._loop and self._ask is not None:
            self._stop_listening()
            self._loop = loop
            loop.add_reader(self._ask.fileno(), self.hear)

    def _stop_listening(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed() and self._ask is not None:
            loop.remove_reader(self._ask.fileno())

    def hear(self) -> None:
        """Read what the zygote tells."""
        if self._ask is None:
            return
        try:
            data = self._ask.recv(_READ)
        except OSError:
            data = b""
        if not data:
            self._zygote_is_gone()
            return
        self._told += data
        while len(self._told) >= TELL.size:
            number, what, value = TELL.unpack_from(self._told)
            size = TELL.size + (value if what == SAID else 0)
            if len(self._told) < size:
                return
            text, self._told = self._told[TELL.size : size], self._told[size:]
            if what == BEGUN:
                self.pids[number] = value
            elif what == SAID:
                self._why = text.decode("utf-8", "replace")
            elif what == REFUSED:
                why = f"the system starts no process: {os.strerror(value)}"
                self._has_ended(Ended(number, None, why))
            else:
                self._has_ended(Ended(number, os.waitstatus_to_exitcode(value)))

    @property
    def hears(self) -> int | None:
        """The descriptor on which the zygote tells."""
        return None if self._ask is None else self._ask.fileno()

    def _has_ended(self, ended: Ended) -> None:
        self.pids.pop(ended.number, None)
        line = self._lines.pop(ended.number, None)
        if line is not None:
            line.read_the_rest()
            line.close()
            self._tell(ended)


class ProcessLine:
    """The line to a child process, with what it writes to stdout and stderr.

    Args:
        engine: whose host it is.
        number: of the host.
        line: the socket.
        pipes: by descriptor, what each carries. The line owns them.
        heard: takes what comes.
    """

    def __init__(
        self,
        engine: ProcessEngine,
        number: int,
        line: socket.socket,
        pipes: dict[int, str],
        heard: Heard,
    ) -> None:
        self._engine = engine
        self._number = number
        self._line: socket.socket | None = line
        self._incoming = Incoming(line)
        self._pipes = pipes
        self._heard = heard
        self._unsent: list[tuple[bytes, int | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        line.settimeout(0)
        for pipe in pipes:
            os.set_blocking(pipe, False)

    # Sending.

    def send(self, record: Record, handed: socket.socket | None = None) -> None:
        if handed is not None:
            record = {**record, HANDED: True}
        descriptor = None if handed is None else handed.detach()
        if self._line is None:
            _close(descriptor)
            return
        self._unsent.append((packed(record), descriptor))
        self._write()

    def _write(self) -> None:
        line = self._line
        while self._unsent and line is not None:
            data, handed = self._unsent[0]
            try:
                if handed is None:
                    sent = line.send(data)
                else:
                    sent = socket.send_fds(line, [data], [handed])
            except BlockingIOError:
                break
            except OSError:  # it is gone, and somebody will tell
                self._drop()
                return
            _close(handed)
            if sent < len(data):
                self._unsent[0] = data[sent:], None
            else:
                del self._unsent[0]
        if self._loop is not None and line is not None and not self._loop.is_closed():
            if self._unsent:
                self._loop.add_writer(line.fileno(), self._write)
            else:
                self._loop.remove_writer(line.fileno())

    def _drop(self) -> None:
        for _, handed in self._unsent:
            _close(handed)
        self._unsent.clear()

    # Reading.

    def attach(self) -> None:
        loop = running_loop()
        self._engine.attach()
        if loop is None or loop is self._loop or self._line is None:
            return
        self.detach()
        self._loop = loop
        loop.add_reader(self._line.fileno(), self._read)
        for pipe in self._pipes:
            loop.add_reader(pipe, self._read_pipe, pipe)
        self._write()

    def detach(self) -> None:
        """Be read no more, until it is attached again."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed():
            return
        # Before they are closed: another socket may get their numbers then.
        for pipe in self._pipes:
            loop.remove_reader(pipe)
        if self._line is not None:
            loop.remove_writer(self._line.fileno())
            loop.remove_reader(self._line.fileno())

    def wait(self, seconds: float) -> None:
        reading = [each for each in (self._line, self._engine.hears, *self._pipes) if each]
        writing = [self._line] if self._unsent and self._line is not None else []
        ready, writable, _ = select.select(reading, writing, [], seconds)
        if not ready and not writable:
            raise TimeoutError
        if writable:
            self._write()
        for pipe in [pipe for pipe in ready if pipe in self._pipes]:
            self._read_pipe(pipe)
        if self._line in ready:
            self._read()
        if self._engine.hears in ready:
            self._engine.hear()

    def catch_up(self) -> None:
        self._read()

    def computed(self) -> float | None:
        return _computing_time(self._engine.pids.get(self._number))

    def _read(self) -> None:
        if self._line is None:
            return
        try:
            for record, handed in self._incoming.read():
                if handed is not None:  # a child hands nothing over
                    handed.close()
                self._heard.record(record)
        except BlockingIOError:
            pass
        except (EOFError, OSError, RemoteProtocolError):
            self._lose()

    def _read_pipe(self, pipe: int) -> None:
        if pipe not in self._pipes:
            return  # it was closed in this very turn of the loop
        try:
            data = os.read(pipe, _READ)
        except BlockingIOError:
            return
        if data:
            self._heard.output(self._pipes[pipe], data)
        else:
            self._close_pipe(pipe)

    def _close_pipe(self, pipe: int) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(pipe)
        del self._pipes[pipe]
        os.close(pipe)

    def read_the_rest(self) -> None:
        """Read what a host has left behind that is no more; others may hold its pipes."""
        for pipe in list(self._pipes):
            for _ in range(64):
                with suppress(BlockingIOError):
                    data = os.read(pipe, _READ)
                    if data:
                        self._heard.output(self._pipes[pipe], data)
                        continue
                break
        while self._line is not None:
            try:
                for record, handed in self._incoming.read():
                    if handed is not None:
                        handed.close()
                    self._heard.record(record)
            except (EOFError, OSError, RemoteProtocolError):
                return

    def _lose(self) -> None:
        line = self._line
        if line is not None:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.remove_writer(line.fileno())
                self._loop.remove_reader(line.fileno())
            self._line = None
            line.close()
            self._drop()
            self._heard.lost()

    def close(self) -> None:
        self.detach()
        for pipe in list(self._pipes):
            self._close_pipe(pipe)
        if self._line is not None:
            self._line.close()
            self._line = None
        self._incoming.close()
        self._drop()


def _computing_time(pid: int | None) -> float | None:
    """How much a process has computed, in ticks of the system; None where that is not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        fields = text.rpartition(")")[2].split()
        return float(fields[11]) + float(fields[12])
    except (OSError, ValueError, IndexError):
        return None


@contextmanager
def _told_of_limits() -> Iterator[None]:
    """Say what it means that no socket can be opened."""
    try:
        yield
    except OSError as error:
        raise PlacementError(
            f"no socket to a process can be opened: {error.strerror}; each process takes three, and"
            " each pair of Workers that call each other one (ulimit -n says how many there may be)"
        ) from error


def _pipe(opened: ExitStack) -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    return ends


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _flags() -> list[str]:
    """The options of this interpreter that another one should have, too."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]
