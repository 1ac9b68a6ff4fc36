"""The program that forks child processes: it has loaded all that they need, and runs nothing else.

Floor: sandbox. A process of the sandbox's own, because a fork of the notebook would take its
threads' locks along. It has no event loop and no threads, so each child is an interpreter as it is
after its first imports, some milliseconds old.

No child outlives whoever asked for it. When the socket to the sandbox ends, or the sandbox does,
however that comes, all are killed with what they have started. Where the zygote itself is killed,
Linux kills each of them (PR_SET_PDEATHSIG), also one that is deep in C code.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from rpclab.placement.forking import ASK, BEGUN, ENDED, FORK, REFUSED, SAID, TELL
from rpclab.placement.orphans import die_with_parent

_LOOK = 1.0  # seconds between two looks at who the parent is
_LONGEST = 1000  # characters of an error

_PRELOADED = (
    "asyncio",
    "faulthandler",
    "rpclab.codecs.msgpack",
    "rpclab.net.sessions",
    "rpclab.placement.child",
    "rpclab.workers.http",
    "rpclab.rpc.streams",
    "rpclab.sandbox",
    "sqlite3",
)


def main() -> NoReturn:
    """Serve the socket whose descriptor is the first argument; preload what the others name."""
    parent = os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: None)  # it wakes the zygote, which looks who is there
    for number in (signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)  # to use the terminal fails, and stops nobody
    die_with_parent(parent, signal.SIGTERM)
    line = socket.socket(fileno=int(sys.argv[1]))
    for name in _PRELOADED:
        import_module(name)
    for name in sys.argv[2:]:
        _preload(line, name)
    _say(line, "")
    gc.collect()
    gc.freeze()  # a collection in a child would copy the pages that it shares with the others
    Zygote(line, parent).run()


def _preload(line: socket.socket, name: str) -> None:
    """Load a module that the user has named; where that cannot be, tell why, and end."""
    _say(line, f"its zygote ended while it loaded {name} (preload)")
    try:
        import_module(name)
    except BaseException as error:
        said = " ".join(str(error).split())[:_LONGEST]
        _say(line, f"{name} (preload) cannot be loaded: {type(error).__name__}: {said}")
        os._exit(1)


def _say(line: socket.socket, text: str) -> None:
    data = text.encode("utf-8", "replace")
    line.sendall(TELL.pack(0, SAID, len(data)) + data)


class Zygote:
    """Forks, kills and reaps.

    Args:
        line: to the sandbox.
        parent: the process id of the sandbox.
    """

    def __init__(self, line: socket.socket, parent: int) -> None:
        self._line = line
        self._parent = parent
        self._children: dict[int, int] = {}  # process ids, by number
        self._wakes, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._wakes, False)

    def run(self) -> NoReturn:
        """Serve until the sandbox is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        try:
            while os.getppid() == self._parent:
                sources: list[socket.socket | int] = [self._line, self._wakes]
                ready, _, _ = select.select(sources, [], [], _LOOK)
                if self._wakes in ready:
                    os.read(self._wakes, 4096)
                self._reap()
                if self._line in ready and not self._serve():
                    break
        except OSError:  # the sandbox is gone
            pass
        finally:
            for pid in self._children.values():
                _kill(pid)
        os._exit(0)

    def _serve(self) -> bool:
        """Do what is asked. Says whether the sandbox is still there."""
        data, handed, _, _ = socket.recv_fds(self._line, ASK.size, 3)
        if len(data) < ASK.size:
            return False
        what, number = ASK.unpack(data)
        if what == FORK:
            self._fork(number, handed)
        elif number in self._children:
            _kill(self._children[number])
        return True

    def _fork(self, number: int, handed: list[int]) -> None:
        zygote = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._line.sendall(TELL.pack(number, REFUSED, error.errno or 0))
            return
        else:
            if pid == 0:
                self._become(zygote, handed)
        finally:
            for descriptor in handed:
                os.close(descriptor)
        self._children[number] = pid
        self._line.sendall(TELL.pack(number, BEGUN, pid))

    def _become(self, zygote: int, handed: list[int]) -> NoReturn:
        """Go on as the child."""
        code = 1
        try:
            die_with_parent(zygote, signal.SIGKILL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # A group of its own, which ends with it, and no session: Linux shares out its time by
            # sessions (autogroups), so that one which answers us would wait for its share.
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._line.close()
            os.close(self._wakes)
            os.close(self._woken)
            line, out, err = handed
            nothing = os.open(os.devnull, os.O_RDONLY)
            for descriptor, standard in ((nothing, 0), (out, 1), (err, 2)):
                os.dup2(descriptor, standard)
                os.close(descriptor)
            from rpclab.placement.child import run  # noqa: PLC0415 - it is loaded already

            code = run(socket.socket(fileno=line))
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        for number, pid in list(self._children.items()):
            if _has_ended(pid):
                # What it has started, and has not taken out of its group, ends with it. As long as
                # it is not reaped, nobody else has its number.
                _kill_group(pid)
                _, status = os.waitpid(pid, 0)
                del self._children[number]
                self._line.sendall(TELL.pack(number, ENDED, status))


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(pid: int) -> None:
    """Kill a child that has not been reaped, so that its process id is its own."""
    _kill_group(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
