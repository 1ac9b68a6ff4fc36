"""Expressions to values: the one door for what a peer sends.

Floor: codecs. A text is checked while it is read: how many values it holds, how deep it nests, and
what each expression is made of. What the published library ends a session for, ends it here too.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpclab.codecs.capnweb import http, text
from rpclab.codecs.capnweb.buffers import read_bytes
from rpclab.codecs.capnweb.exceptions import read_error, thrown
from rpclab.codecs.capnweb.numbers import MOST_SAFE, read_integer, read_number
from rpclab.codecs.capnweb.programs import Compiler
from rpclab.codecs.records import named
from rpclab.codecs.refusals import came_too_deep, came_too_many, malformed
from rpclab.core.arrival import Arrival
from rpclab.core.messages import (
    ABORT,
    CALL,
    MAP,
    MOST,
    PIPE,
    PULL,
    PUSH,
    REJECT,
    RELEASE,
    RESOLVE,
    STREAM,
    Index,
    Message,
)
from rpclab.core.references import OWN_STUB, PROMISE, READABLE, RESULT, STUB, WRITABLE
from rpclab.errors import RemoteProtocolError
from rpclab.previews import preview

if TYPE_CHECKING:
    from rpclab.core.session import Session

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_REFERS = ("import", "pipeline")
_WITHOUT_INTEGERS = text.LEAVES - {int} | {float}
_ALL_LEAVES = _WITHOUT_INTEGERS | {int}
_LONGEST_PATH = 1000
_PLAIN = 1000  # bytes
_AT_ONCE = 32  # messages; with more little is saved
_LONGEST_PLAIN = len('["pull",]') + text.LONG - 1  # bytes of a message that has no long number
_KIND = re.compile(rb'\s*\[\s*"([a-z]{1,20})"')


class Reader:
    """Reads the messages that come in at one end.

    Args:
        session: whose tables say what a reference stands for.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._nesting = session.limits.nesting
        self._most = session.limits.message_objects
        self._arrival: Arrival | None = None
        self._leaves: frozenset[type] = _ALL_LEAVES
        self._raised = False
        self._messages = 0
        # So long may a message be that is looked at as a plain one first.
        most = session.limits.message_bytes
        self._plain = min(_PLAIN, self._most // 3, most) if self._nesting > 0 else 0

    def decode(self, frame: Any) -> tuple[Message, Arrival | None]:
        """Read a message. Gives it, and what it mentions by reference, if anything.

        Raises:
            RemoteProtocolError: it is none; the session ends.
        """
        self._messages += 1
        try:
            return self._decode(frame)
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"{error}{self._place(frame)}") from None

    def _place(self, frame: Any) -> str:
        """Say where something was wrong: in which of the messages that have come."""
        kind = _KIND.match(frame) if type(frame) is bytes else None
        name = kind[1].decode() if kind is not None else ""
        named = f', a "{name}"' if name in _MESSAGES else ""
        return f"; it is message {self._messages:,} of the peer{named}"

    def plain(self, frames: list[Any]) -> list[Message]:
        """Read the messages of plain calls that stand in a row.

        Calls, pulls, results and releases that are made of numbers and leaves alone are most of
        what comes, and cost half as much so (benchmark `socket_burst`).

        Args:
            frames: the last one first; they stay there.

        Returns:
            Some of them, in order; none if the first is another message, or not in order. A call is
            `[CALL, target, name, args]`.
        """
        found: list[Message] = []
        longest, loads = self._plain, text.orjson.loads
        try:
            for frame in frames[: -_AT_ONCE - 1 : -1]:
                if type(frame) is not bytes or len(frame) > longest:
                    break
                # What comes apart so is a list, or has texts where numbers have to be.
                tree = loads(frame)
                if len(tree) == 2:
                    word, about = tree
                    if word == "pull":
                        if type(about) is not int or not 0 < about < MOST:
                            break
                        found.append([PULL, about])
                        continue
                    verb, target, path, args = about
                    if (
                        word != "push"
                        or verb != "pipeline"
                        or type(target) is not int
                        or not -MOST < target < MOST
                        or type(path) is not list
                        or type(args) is not list
                        or not _are_leaves(args)
                    ):
                        break
                    (name,) = path
                    if type(name) is not str:
                        break
                    found.append([CALL, target, name, args])
                    continue
                word, number, value = tree
                if type(number) is not int or not 0 < number < MOST:
                    break
                kind = type(value)
                if word == "resolve":
                    if (
                        not -MOST_SAFE <= value <= MOST_SAFE
                        if kind is int
                        else kind not in _WITHOUT_INTEGERS
                    ):
                        break
                    found.append([RESOLVE, number, value])
                elif word == "release" and kind is int and 0 < value < MOST:
                    found.append([RELEASE, number, value])
                else:
                    break
        except (TypeError, ValueError):
            pass  # whoever reads that one by itself says what is wrong
        self._messages += len(found)
        return found

    def _decode(self, frame: Any) -> tuple[Message, Arrival | None]:
        if type(frame) is not bytes:
            raise malformed("message", frame)
        if 3 * len(frame) > self._most and text.count_at_most(frame, self._most) > self._most:
            raise came_too_many(self._most)
        tree = text.read(frame, self._nesting)
        long = len(frame) > _LONGEST_PLAIN and text.has_long_numbers(frame)
        self._leaves = _WITHOUT_INTEGERS if long else _ALL_LEAVES
        try:
            message = self._message(tree)
        except BaseException as error:
            arrival, self._arrival = self._arrival, None
            if arrival is not None:
                arrival.give_back()
            if isinstance(error, RecursionError):
                raise came_too_deep(self._nesting) from None
            raise
        arrival, self._arrival = self._arrival, None
        return message, arrival

    # Messages.

    def _message(self, tree: Any) -> Message:
        kind = tree[0] if type(tree) is list and tree else None
        if type(kind) is str:
            read = _MESSAGES.get(kind)
            if read is not None:
                return read(self, tree)
        raise _no_message(tree)

    def _push(self, tree: list[Any]) -> Message:
        if len(tree) < 2:
            raise _no_message(tree)
        call = self._session.next_call_of_peer
        expression = tree[1]
        if type(expression) is list and expression:
            kind = expression[0]
            if kind in _REFERS:
                target, path, args = self._call(expression)
                if args is not None:
                    args = self._items(args, 1)
                return [CALL, call, target, path, args]
            if kind == "remap":
                return self._map(call, expression)
        return [PUSH, call, self.value(expression, 0)]

    def _stream(self, tree: list[Any]) -> Message:
        if len(tree) < 2 or type(tree[1]) is not list or len(tree[1]) < 4:
            raise _no_message(tree)
        if tree[1][0] not in _REFERS:
            raise _no_message(tree)
        target, path, args = self._call(tree[1])
        if args is None:
            raise _no_message(tree)
        call = self._session.next_call_of_peer
        return [STREAM, call, target, path, self._items(args, 1)]

    def _pipe(self, tree: list[Any]) -> Message:
        del tree
        return [PIPE, self._session.next_call_of_peer]

    def _pull(self, tree: list[Any]) -> Message:
        return [PULL, self._number(tree, 1)]

    def _resolve(self, tree: list[Any]) -> Message:
        if len(tree) < 3:
            raise _no_message(tree)
        value = tree[2]
        if type(value) not in self._leaves:
            value = self.value(value, 0)
        return [RESOLVE, self._number(tree, 1), value]

    def _reject(self, tree: list[Any]) -> Message:
        if len(tree) < 3:
            raise _no_message(tree)
        return [REJECT, self._number(tree, 1), self._reason(tree[2]), True]

    def _release(self, tree: list[Any]) -> Message:
        number, count = self._number(tree, 1), self._number(tree, 2)
        if count < 1:
            raise _no_message(tree)
        return [RELEASE, number, count]

    def _abort(self, tree: list[Any]) -> Message:
        if len(tree) < 2:
            raise _no_message(tree)
        return [ABORT, self._reason(tree[1])]

    def _map(self, call: int, expression: list[Any]) -> Message:
        try:
            target, path, captures, program = Compiler(self).whole(expression)
        except ValueError as why:
            # Well-formed, and no function: that is an answer, and the session goes on.
            return [PUSH, call, self._arrive().cannot_read(why)]
        return [MAP, call, target, path, captures, program]

    def _reason(self, tree: Any) -> BaseException:
        self._raised = True
        try:
            error = thrown(self.value(tree, 0), tree)
        finally:
            self._raised = False
        if self._arrival is not None and self._arrival.promised:
            raise RemoteProtocolError("the peer settled a call with a promise inside")
        return error

    def _number(self, tree: list[Any], position: int) -> int:
        if len(tree) <= position:
            raise _no_message(tree)
        number = tree[position]
        if type(number) is not int or not -MOST < number < MOST:
            raise _no_message(tree)
        return number

    def _call(self, expression: list[Any]) -> tuple[int, str | list[str], list[Any] | None]:
        """Read what is called, or read where there are no arguments; those are not read yet."""
        size = len(expression)
        number = expression[1] if size > 1 else None
        if type(number) is not int or not -MOST < number < MOST:
            raise _no_expression(expression)
        path = self.path(expression[2]) if size > 2 else []
        if size < 4:
            return number, path, None
        if type(expression[3]) is not list:
            raise _no_expression(expression)
        return number, path, expression[3]

    def path(self, path: Any) -> str | list[str]:
        """Read a path: of texts, and of integers, which enter lists."""
        if type(path) is not list or len(path) > _LONGEST_PATH:
            raise malformed("path", path)
        if len(path) == 1 and type(path[0]) is str:
            return path[0]
        for place, name in enumerate(path):
            if type(name) is not str:
                if type(name) is not int or not 0 <= name < MOST:
                    raise malformed("path", path)
                path[place] = Index(name)
        return path

    # Values.

    def value(self, tree: Any, depth: int) -> Any:
        """Read an expression.

        Args:
            tree: it; its containers become those of the value.
            depth: in how many containers it stands.

        Raises:
            RemoteProtocolError: it is none.
        """
        kind = type(tree)
        if kind in self._leaves:
            return tree
        if kind is list:
            head = tree[0] if tree else None
            if type(head) is list and len(tree) == 1:
                return self._items(head, depth + 1)
            read = _EXPRESSIONS.get(head) if type(head) is str else None
            if read is None:
                raise _no_expression(tree)
            return read(self, tree, depth)
        if kind is dict:
            depth += 1
            if depth > self._nesting:
                raise came_too_deep(self._nesting)
            leaves = self._leaves
            for key, item in tree.items():
                if type(item) not in leaves:
                    tree[key] = self.value(item, depth)
            return tree
        return read_number(tree)

    def _items(self, items: list[Any], depth: int) -> list[Any]:
        """Read each of some expressions, in place."""
        if depth > self._nesting:
            raise came_too_deep(self._nesting)
        leaves = self._leaves
        for place, item in enumerate(items):
            if type(item) not in leaves:
                items[place] = self.value(item, depth)
        return items

    def _undefined(self, tree: list[Any], _depth: int) -> None:
        if len(tree) > 1:
            raise _no_expression(tree)

    def _bigint(self, tree: list[Any], _depth: int) -> int:
        return read_integer(tree[1] if len(tree) > 1 else None)

    def _date(self, tree: list[Any], _depth: int) -> Any:
        when: Any = tree[1] if len(tree) > 1 else ""
        if when is None:
            return None  # an invalid date
        if type(when) not in (int, float):
            raise _no_expression(tree)
        try:
            return _EPOCH + dt.timedelta(milliseconds=when)
        except (OverflowError, ValueError) as why:
            return self._arrive().cannot_read(why)

    def _bytes(self, tree: list[Any], _depth: int) -> Any:
        return read_bytes(tree[1:])

    def _url(self, tree: list[Any], _depth: int) -> Any:
        return http.read_url(tree[1:])

    def _headers(self, tree: list[Any], _depth: int) -> Any:
        return self._made(lambda _evaluate: http.read_headers(tree[1:]), 0)

    def _request(self, tree: list[Any], depth: int) -> Any:
        return self._made(lambda evaluate: http.read_request(tree[1:], evaluate), depth)

    def _response(self, tree: list[Any], depth: int) -> Any:
        return self._made(lambda evaluate: http.read_response(tree[1:], evaluate), depth)

    def _made(self, make: Callable[[Callable[[Any], Any]], Any], depth: int) -> Any:
        """Make a record; what cannot be made here rejects the call that needs it."""
        try:
            return make(lambda part: self.value(part, depth + 1))
        except RemoteProtocolError:
            raise
        except Exception as why:
            return self._arrive().cannot_read(why)

    def _blob(self, tree: list[Any], _depth: int) -> Any:
        if (
            len(tree) < 3
            or type(tree[1]) is not str
            or type(tree[2]) is not list
            or tree[2][:1] != ["readable"]
        ):
            raise _no_expression(tree)
        content_type = tree[1]
        number = self._number(tree[2], 1)
        return self._arrive().gather(number, lambda data: named("Blob").build([data, content_type]))

    def _error(self, tree: list[Any], depth: int) -> BaseException:
        if depth >= self._nesting:
            raise came_too_deep(self._nesting)
        return read_error(
            tree[1:], lambda member: self.value(member, depth + 1), raised=self._raised
        )

    # References.

    def _arrive(self) -> Arrival:
        if self._arrival is None:
            self._arrival = self._session.arrival()
        return self._arrival

    def _export(self, tree: list[Any], _depth: int) -> Any:
        return self._arrive().take(STUB, self._number(tree, 1))

    def _writable(self, tree: list[Any], _depth: int) -> Any:
        return self._arrive().take(WRITABLE, self._number(tree, 1))

    def _readable(self, tree: list[Any], _depth: int) -> Any:
        return self._arrive().take(READABLE, self._number(tree, 1))

    def _promise(self, tree: list[Any], _depth: int) -> Any:
        number = self._number(tree, 1)
        if number in self._session.imports:
            why = RemoteProtocolError(f"the peer introduced the id {number} twice")
            return self._arrive().cannot_read(why)
        return self._arrive().take(PROMISE, number)

    def _refers(self, tree: list[Any], depth: int) -> Any:
        number, path, args = self._call(tree)
        arrival = self._arrive()
        if len(tree) == 2:
            return arrival.take(RESULT if number > 0 else OWN_STUB, number)
        inside = self._session.arrival()
        if args is not None:
            self._arrival = inside
            try:
                args = self._items(args, depth + 1)
            except BaseException:
                inside.give_back()
                raise
            finally:
                self._arrival = arrival
        return arrival.later(number, path, args, inside)

    def _remap(self, tree: list[Any], depth: int) -> Any:
        del depth
        try:
            target, path, captures, program = Compiler(self).whole(tree)
        except ValueError as why:
            return self._arrive().cannot_read(why)
        return self._arrive().later_map(target, path, captures, program)


def _are_leaves(values: list[Any]) -> bool:
    """Whether all are leaves, and mean in JavaScript what they are here."""
    for value in values:
        kind = type(value)
        if kind is int:
            if not -MOST_SAFE <= value <= MOST_SAFE:
                return False
        elif kind not in _WITHOUT_INTEGERS:
            return False
    return True


def _no_message(tree: Any) -> RemoteProtocolError:
    return RemoteProtocolError(f"the peer sent no message, but {preview(tree)}")


def _no_expression(tree: Any) -> RemoteProtocolError:
    return RemoteProtocolError(f"the peer sent an expression that is none: {preview(tree)}")


_MESSAGES: dict[str, Callable[[Reader, list[Any]], Message]] = {
    "push": Reader._push,
    "pull": Reader._pull,
    "resolve": Reader._resolve,
    "reject": Reader._reject,
    "release": Reader._release,
    "stream": Reader._stream,
    "pipe": Reader._pipe,
    "abort": Reader._abort,
}

_EXPRESSIONS: dict[str, Callable[[Reader, list[Any], int], Any]] = {
    "undefined": Reader._undefined,
    "inf": lambda *_: math.inf,
    "-inf": lambda *_: -math.inf,
    "nan": lambda *_: math.nan,
    "bigint": Reader._bigint,
    "date": Reader._date,
    "bytes": Reader._bytes,
    "url": Reader._url,
    "headers": Reader._headers,
    "request": Reader._request,
    "response": Reader._response,
    "blob": Reader._blob,
    "error": Reader._error,
    "export": Reader._export,
    "writable": Reader._writable,
    "readable": Reader._readable,
    "promise": Reader._promise,
    "import": Reader._refers,
    "pipeline": Reader._refers,
    "remap": Reader._remap,
}
