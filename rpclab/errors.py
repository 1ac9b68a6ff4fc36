"""Every error rpclab raises, and whose fault each one is.

Floor: errors, the lowest.

    RpcError
    ├── ProtocolError
    │   ├── LocalProtocolError      this program broke the rules: fix it
    │   └── RemoteProtocolError     the peer did: that session ends, others go on
    ├── RemoteError                 raised over there, and no class here fits it
    ├── NoSuchMemberError           (a TypeError) the other side has no such member, or hides it
    ├── NotCallableError            (a TypeError) the member exists and is not a function
    ├── DataCloneError              (a TypeError) this value cannot be sent
    ├── MessageTooLargeError        the message is over the limit
    ├── DisposedError               the stub or promise was used after its release
    ├── ContextEndedError           the execution context at one end is over
    ├── CallCancelledError          the call was cancelled before it had a result
    ├── DisconnectedError           the session ended first, or the other end of a stream is gone
    ├── ObjectElsewhereError        the Durable Object lives on another node, not on this one
    ├── OverloadedError             too many calls wait for a Worker, and this one did not run
    ├── StreamLockedError           (a TypeError) the stream was sent, or is being read or written
    ├── StreamClosedError           (a TypeError) the stream takes no more chunks
    ├── UnknownBindingError         the binding's Worker is not deployed
    ├── PlacementError              a Worker cannot run where it was placed
    ├── D1Error                     a database refused an SQL statement, or failed in it
    ├── KVError                     a KV namespace refused a value, an option or a key
    ├── UnknownEntrypointError      the Worker exports no such entrypoint
    ├── ConfigError                 (a ValueError) a configuration file says something wrong
    └── RecordingError              (a ValueError) a file is no recording, or damaged

    ResourceWarning
    └── UndisposedStubWarning       a context ended, and its code had not disposed all its stubs

    UserWarning
    └── ConfigWarning               a configuration file says something that has no effect here

An error that was raised at the other side of a session has `remote = True` (rule Z2).
Errors derived from RpcError keep their class between Python peers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from rpclab.previews import listed, message_of, shown

_MOST_SHOWN = 1000  # characters of a text from a file that an error quotes


class RpcError(Exception):
    """The family of everything rpclab raises by itself."""

    remote = False
    _may_have_run: bool | None = None

    @property
    def may_have_run(self) -> bool | None:
        """Of a call to another program, whose session has ended: whether it may have run there.

        True where it had been sent, and its answer never came. False where it had not left: it has
        not run, and can be made again. None for every other error.
        """
        return self._may_have_run


IN_BROWSER = sys.platform == "emscripten"
"""Whether this is Pyodide: Python without sockets, processes and threads."""


def refuse_in_browser(what: str, need: str, kind: type[RpcError] = RpcError) -> None:
    """Stop in a browser at once what cannot go on there.

    Args:
        what: somebody wants to do.
        need: what that takes, in the plural.
        kind: of the error.

    Raises:
        RpcError: this is a browser.
    """
    if IN_BROWSER:
        text = f"{what} takes {need}, and Python in a browser has none: run this on a machine"
        raise kind(text)


class ProtocolError(RpcError):
    """A message broke the rules of the protocol."""


class LocalProtocolError(ProtocolError):
    """This program used rpclab against its rules."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that is no message; its session ends with this reason."""


class RemoteError(RpcError):
    """Something was raised at the other side that no class here can stand for.

    Attributes:
        name: the name of the class (or the kind of value) that was raised there.
        value: the value that was raised, where it was a value and no exception.
    """

    def __init__(self, message: str = "", *, name: str = "Error", value: object = None) -> None:
        super().__init__(message)
        self.name = name
        self.value = value


class NoSuchMemberError(RpcError, TypeError):
    """The receiver has no member of that name, or does not show it (rules C6, T2)."""

    _absent = False
    """Whether there is none, and it was the last of the path."""


class NotCallableError(RpcError, TypeError):
    """The member is there, and is not a function (rules C7, C8)."""


class DataCloneError(RpcError, TypeError):
    """This value cannot be sent (rules V14, V15, V22).

    Attributes:
        path: where in the message the value stands, such as `args[0]["items"][3]`.
    """

    path: str = ""


class MessageTooLargeError(RpcError):
    """The message is larger than the limit (rule V23)."""


class DisposedError(RpcError):
    """A stub or promise was used after it had been disposed (rules O3, O8, P6)."""


class ContextEndedError(RpcError):
    """The execution context that hosted the target, or answered the call, is over (W6, W7)."""


class CallCancelledError(RpcError):
    """The call was cancelled, and is awaited all the same.

    Attributes:
        deadline_passed: whether that was because its deadline had passed (see `rpclab.deadline`).
    """

    deadline_passed = False


class DisconnectedError(RpcError):
    """The session to the other Worker, or the other end of a stream, ended before its time.

    Attributes:
        retryable: whether the same may succeed when it is tried again (rules S9, S16).
    """

    retryable = False


class ObjectElsewhereError(RpcError):
    """Another node has the Durable Object, so this one may neither run it nor write for it.

    Attributes:
        node: which one; "" where only that is known.
        seconds: for how long at least, unless it lets go before; 0 where that is not known.
        retryable: whether the call has not run, and may be made again: then the object was asked
            for here, and lives there. Else it was here, and what it had just written was refused.
    """

    node: str = ""
    seconds: float = 0.0
    retryable = False


class OverloadedError(RpcError):
    """Too many calls wait for their turn, so this one was answered early. It has not run.

    Attributes:
        worker: the Worker that is overloaded, or the address that calls wait for.
        queued: how many calls waited there.
        limit: how many may.
        retryable: True: the call has not run, and may be made again; after a pause that grows, for
            to repeat it at once keeps the Worker overloaded.
    """

    worker: str = ""
    queued: int = 0
    limit: int = 0
    retryable = True


class StreamLockedError(RpcError, TypeError):
    """The stream was sent, or somebody else reads or writes it (rules S5, S6)."""


class StreamClosedError(RpcError, TypeError):
    """The stream takes no more chunks: it was closed, or its sink has failed (rule S15)."""


class UnknownBindingError(RpcError):
    """No Worker of the name that this binding gives is deployed."""


class PlacementError(RpcError):
    """A Worker cannot run where it was placed: no host can be started, or it lacks something."""


class UnknownEntrypointError(RpcError):
    """The Worker does not export that entrypoint (rules E9, E10)."""


class D1Error(RpcError):
    """A database refused an SQL statement, a value for it, or failed while it ran it.

    Attributes:
        code: SQLite's name of what went wrong, such as "SQLITE_CONSTRAINT_UNIQUE", or D1's.
        sql: the statement; "" where it is about none.
        offset: where in `sql` it goes wrong, in characters; None where that is not known.
        line: the line of that place, from 1; None likewise.
        column: the column of that place, from 1; None likewise.
    """

    code: str = "D1_ERROR"
    sql: str = ""
    offset: int | None = None
    line: int | None = None
    column: int | None = None


class KVError(RpcError):
    """A KV namespace refused a key, a value or an option, or could not do what was asked.

    Attributes:
        status: the platform's HTTP status for it: 400 for an option, 413 for what is too large, 414
            for a key that is too long, 500 where what keeps the entries failed.
    """

    status: int = 500


class ConfigError(RpcError, ValueError):
    """A configuration file says something that is wrong, or that cannot be had here.

    Args:
        message: what is wrong.
        filename: the file, or the cell.
        line: where in it, from 1; 0 where the whole file is meant.
        column: where in the line, from 1.
    """

    def __init__(self, message: str, *, filename: str = "", line: int = 0, column: int = 0) -> None:
        # What a file says, or is called, may be of any length and hold anything.
        message = shown(message, _MOST_SHOWN)
        place = ":".join(str(part) for part in (shown(filename, _MOST_SHOWN), line, column) if part)
        super().__init__(f"{place}: {message}" if place else message)
        self.filename = filename
        self.line = line
        self.column = column


class RecordingError(RpcError, ValueError):
    """A file is no recording, one of a newer version, or damaged.

    Args:
        message: what is wrong.
        filename: the file.
        line: where in it, from 1; 0 where the whole file is meant.
    """

    def __init__(self, message: str, *, filename: str = "", line: int = 0) -> None:
        place = f"{filename}, line {line}" if line else filename
        super().__init__(f"{place}: {message}" if place else message)
        self.filename = filename
        self.line = line


class ConfigWarning(UserWarning):
    """A configuration file says something that has no effect here, or less than it seems."""


class UndisposedStubWarning(ResourceWarning):
    """An execution context ended, and its code had not disposed all its stubs.

    A sandbox with `warn_undisposed` issues one in the moment of the end, which disposes them itself
    (rule O12).
    """


STEERING = ("StopIteration", "StopAsyncIteration", "GeneratorExit", "CancelledError", "SystemExit",
            "KeyboardInterrupt")  # fmt: skip
"""What steers Python at the other side arrives there as an RpcError when it is raised."""

_MOST_NAMES = 256  # that are looked through for a near one
_LONGEST_NAME = 64  # of those, in characters
_COPIED = (str, bytes, list, tuple, dict, set, int, float)

STUB_DISPOSED = "RPC stub used after being disposed."
PROMISE_DISPOSED = "RPC promise used after being disposed."
HOST_CONTEXT_ENDED = "The execution context which hosts this callback is no longer running."
READABLE_LOCKED = "The ReadableStream has been locked to a reader."
READABLE_IN_USE = "This ReadableStream is currently locked to a reader."
READABLE_BROKEN = "ReadableStream received over RPC disconnected prematurely."
READER_GONE = "Network connection lost."
WRITABLE_LOCKED = "This WritableStream is currently locked to a writer."
WRITABLE_CLOSED = "This WritableStream has been closed."
WRITER_GONE = (
    "WritableStream received over RPC was disconnected because the remote execution context has"
    " ended."
)
OTHER_THREAD = (
    "this sandbox lives on the event loop of another thread: call it in a coroutine, and give that"
    " to rpclab.run() in a thread without a loop of its own, or to"
    " asyncio.run_coroutine_threadsafe(coroutine, loop) with the sandbox's loop"
)
CALL_CONTEXT_ENDED = "The execution context responding to this call was canceled."


def steers(kind: type[BaseException]) -> bool:
    """Whether an error of this class steers Python where it is raised, and reports no failure.

    All but `Exception` do: nothing that expects a failure catches them. So do the two that end an
    iteration.
    """
    return not issubclass(kind, Exception) or issubclass(kind, (StopIteration, StopAsyncIteration))


def steered(name: str, error: BaseException) -> RpcError:
    """Build the error that stands for one which steers Python (rule Z1).

    Args:
        name: of its class.
        error: whose message is told.
    """
    message = message_of(error)
    text = f"{name}: {message}" if message else name
    return RpcError(f"the other side raised {text}")


def no_such_member(name: str, known: Iterable[str] = ()) -> NoSuchMemberError:
    """Build the error of rule C6, with the near names as a note.

    Args:
        name: the first step of the path that failed.
        known: the names that a peer could have meant; of very many, only the first are looked at.
    """
    error = NoSuchMemberError(f'The RPC receiver does not implement the method "{shown(name)}".')
    known = [*islice(known, _MOST_NAMES)]
    if name.startswith("_"):
        error.add_note("names that begin with _ are private: no caller reaches them")
    owners = [kind.__name__ for kind in _COPIED if hasattr(kind, name)] if not known else []
    if owners:
        error.add_note(
            f"{shown(name)} is a method of {' and '.join(owners)}: a result that is copied has it"
            f" when it has arrived, so await it first: (await …).{shown(name)}"
        )
    hint = near(name, known)
    if hint:
        error.add_note(hint)
    return error


def absent_member(name: str, known: Iterable[str] = ()) -> NoSuchMemberError:
    """Build the error of the last member of a path that is not there; see `no_such_member`."""
    error = no_such_member(name, known)
    error._absent = not name.startswith("_")
    return error


def is_absent(error: BaseException) -> bool:
    """Whether an error says that here the last member of a path is not there."""
    return type(error) is NoSuchMemberError and error._absent and not error.remote


def elsewhere(node: str = "", seconds: float = 0.0) -> ObjectElsewhereError:
    """Build the error of a Durable Object that another node has.

    Args:
        node: which one, where the object was asked for here; "" where it was taken away.
        seconds: how long its lease lasts.
    """
    if node:
        error = ObjectElsewhereError(
            f"the Durable Object lives on the node {shown(node)}, whose lease lasts"
            f" {seconds:.1f} s unless it is renewed"
        )
        error.node, error.seconds, error.retryable = node, seconds, True
        return error
    return ObjectElsewhereError(
        "another node has this Durable Object since its lease ended: what it had not saved here was"
        " refused"
    )


def overloaded(
    what: str, worker: str, queued: int, limit: int, advice: str = ""
) -> OverloadedError:
    """Build the error of a call for which there is no place in a queue.

    Args:
        what: whom the calls wait for, such as 'the Worker "shop"'.
        worker: its name or address.
        queued: how many calls wait there.
        limit: how many may.
        advice: what to do beside trying again, as a note.
    """
    calls = f"{queued:,} call{'s' * (queued != 1)} wait{'s' * (queued == 1)}"
    error = OverloadedError(
        f"{what} is overloaded: {calls} for a turn, of {limit:,} that may. This call has not run;"
        " try again after a pause"
    )
    error.worker, error.queued, error.limit = worker, queued, limit
    error.retryable = True  # a peer in JavaScript sees what an error has, and no class
    add_note(error, advice)
    return error


def cut_off(error: BaseException) -> BaseException:
    """Build the error of calls that had been sent when their session ended with `error`."""
    copy = fresh_copy(error)
    if isinstance(copy, RpcError):
        copy._may_have_run = True
    add_note(copy, "the call had been sent, and its answer has not come: it may have run, or not")
    return copy


def late() -> CallCancelledError:
    """Build the error of a call whose deadline has passed."""
    error = CallCancelledError("The call was cancelled: its deadline passed.")
    error.deadline_passed = True
    return error


def not_callable(path: tuple[str, ...]) -> NotCallableError:
    """Build the error of rules C7 and C8."""
    return NotCallableError(f'"{spelled(path) or "(this)"}" is not a function.')


def no_keywords() -> TypeError:
    """Build the error of keyword arguments on their way to a peer that has none."""
    error = TypeError("keyword arguments cannot be sent to a JavaScript peer")
    error.add_note("pass them by position, or as one dict, as JavaScript does")
    return error


def reserved_method(name: str) -> TypeError:
    """Build the error of rules C16 and C17."""
    return TypeError(f"'{shown(name)}' is a reserved method and cannot be called over RPC.")


def spelled(path: Iterable[str]) -> str:
    """Write a path down as a user does, "user.api"; a very long one in part."""
    return shown(".".join([step[: _LONGEST_NAME + 1] for step in islice(path, _LONGEST_NAME)]))


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error, if there is one to add, and it is not there yet."""
    if note and note not in getattr(error, "__notes__", ()):
        error.add_note(note)


@contextmanager
def noted(note: str) -> Iterator[None]:
    """Add a note to an error that leaves the block."""
    try:
        yield
    except Exception as error:
        add_note(error, note)
        raise


def near(name: str, known: Iterable[str]) -> str:
    """Say which of the known names are meant, or which there are; "" if there are none."""
    import difflib  # noqa: PLC0415 - only for those who have misspelt something

    names = sorted(islice(known, _MOST_NAMES))
    # To compare two texts takes time as the product of their lengths.
    short = [each for each in names if len(each) <= _LONGEST_NAME]
    if len(name) <= _LONGEST_NAME:
        close = difflib.get_close_matches(name, short, n=3, cutoff=0.6)
        if close:
            return f"did you mean {' or '.join(repr(match) for match in close)}?"
    return f"there are: {listed(names)}" if names else ""


def fresh_copy(error: BaseException) -> BaseException:
    """Copy an error, so that each await raises one with a traceback of its own.

    The copy has the class, args, attributes, cause and notes of the original, and no traceback.
    An error whose class cannot be made of its arguments is its own copy.
    """
    # What stands in the instance's dict may come from a peer; so methods are the class's.
    reduce: Any = type(error).__reduce__
    try:
        kind, arguments, *state = reduce(error)[:3]
        copy: object = kind(*arguments)
    except Exception:
        return error
    if not isinstance(copy, BaseException):
        return error
    if state and state[0]:
        kind.__setstate__(copy, dict(state[0]))
    if isinstance(error, (NameError, AttributeError)) and isinstance(copy, type(error)):
        copy.name = error.name  # which they do not tell everywhere
    notes = copy.__dict__.get("__notes__")
    if type(notes) is list:
        copy.__dict__["__notes__"] = list(notes)
    copy.__cause__ = error.__cause__
    copy.__suppress_context__ = error.__suppress_context__
    return copy
