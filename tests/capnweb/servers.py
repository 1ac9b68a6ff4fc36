"""The servers of the golden transcripts (see `golden/record.mjs`), in Python."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from rpclab import ReadableStream, RpcStub, RpcTarget, WritableStream
from rpclab.errors import RemoteError
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import Response

SERVERS = {}


def server(*names):
    """Take a function of the tools as the maker of the main object of these transcripts."""

    def take(make):
        SERVERS.update(dict.fromkeys(names, make))
        return make

    return take


def main_of(transcript, tools):
    """Make the main object of a transcript."""
    return SERVERS.get(transcript["name"], Api)(tools)


class Counter(RpcTarget):
    def __init__(self, value=0, note=lambda _: None):
        self._value, self._note = value, note

    def increment(self, amount=1):
        self._value += amount
        return self._value

    @property
    def value(self):
        return self._value

    def dispose(self):
        self._note(f"server: Counter {self._value} disposed")


class Api(RpcTarget):
    def __init__(self, tools):
        self._tools = tools
        self._let_go = asyncio.get_running_loop().create_future()
        self.own = 1

    def add(self, a, b):
        return a + b

    def echo(self, *args):
        return args[0] if len(args) == 1 else list(args)

    def what(self, *args):
        self._tools.seen.append(args)
        return "what it is"

    def count(self, *args):
        return len(args)

    async def hold(self, _stub=None):
        await self._let_go

    def letGo(self):
        self._let_go.set_result(None)

    def errors(self, *args):
        self._tools.seen.append(args)
        return "what it is"

    def nothing(self):
        pass

    def user(self):
        return {
            "name": "Ann",
            "age": 7,
            "friends": [{"id": 1, "name": "Bo"}, {"id": 2, "name": "Cy"}],
        }

    @property
    def motto(self):
        return "be kind"

    @property
    def nested(self):
        return {"a": {"b": [10, 20, 30]}}

    def newCounter(self, start=0):
        return Counter(start, self._tools.note)

    async def later(self, value):
        await self._tools.pause()
        return value

    def fail(self, message="no"):
        raise TypeError(message)

    async def callBack(self, f, *args):
        return await f(*args)

    def greet(self, name):
        return f"hello {name}"

    def giveList(self, stub):
        return [stub.dup()]

    def give(self, stub):
        return stub.dup()

    def page(self):
        cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        headers = [*cookies, ("Content-Type", "text/plain;charset=UTF-8")]
        return Response(ReadableStream([b"a page"]), status=404, headers=headers)

    async def body(self, message):
        kind = "Request" if isinstance(message, Request) else "Response"
        return f"{kind} with {await message.text()}"


@server("accept-pipe-written-before-readable")
class _Forgetful(Api):
    def what(self, *_args):
        return "what it is"


@server("call-stub-itself")
def _function(_tools):
    return lambda a, b: a * b


@server("call-nested-path")
class _Nested(RpcTarget):
    def __init__(self, tools):
        self._math = Api(tools)

    @property
    def math(self):
        return self._math


@server("callback-kept")
class _Publisher(RpcTarget):
    def __init__(self, _tools):
        self._kept = None

    def subscribe(self, f):
        self._kept = f.dup()
        return "subscribed"

    async def publish(self, x):
        return await self._kept(x)

    def unsubscribe(self):
        self._kept.dispose()


@server("callback-not-awaited")
class _Ticker(RpcTarget):
    def __init__(self, tools):
        self._f = None
        self._promises = tools.log  # held, as JavaScript holds what nobody disposes

    def subscribe(self, f):
        self._f = f.dup()

    def tick(self, n):
        self._promises += [self._f(i) for i in range(n)]


@server("callback-stub-reused")
class _Keeper(RpcTarget):
    def __init__(self, _tools):
        self._kept = []

    def keep(self, f):
        self._kept.append(f.dup())
        return len(self._kept)

    def drop(self):
        self._kept.pop().dispose()
        return len(self._kept)


def js_error(name, message, **members):
    error = RemoteError(message, name=name)
    vars(error).update(members)
    return error


@server("error-names")
class _Names(RpcTarget):
    def __init__(self, _tools):
        pass

    def raise_(self, name):
        raise js_error(name, f"a {name}")


setattr(_Names, "raise", _Names.raise_)


@server("error-properties")
class _Properties(RpcTarget):
    def __init__(self, _tools):
        pass

    def props(self):
        error = ValueError("r")
        error.code = "E1"
        when = datetime.fromtimestamp(0.005, UTC)
        error.details = {"list": [1, [2]], "when": when}
        raise error

    def cause(self):
        raise Exception("outer") from TypeError("inner")

    def aggregate(self):
        raise ExceptionGroup("many", [Exception("a"), Exception("5")])

    def custom(self):
        class AppError(Exception):
            pass

        raise AppError("mine")

    def dom(self):
        raise js_error("QuotaExceededError", "quota")

    def badProp(self):
        error = Exception("bad prop")
        error.ok, error.map = 1, {1, 2}
        raise error


@server("error-result-unsupported")
class _Unsupported(RpcTarget):
    def __init__(self, _tools):
        pass

    def table(self):
        return {1, 2}

    def both(self):
        return [lambda: 1, {1, 2}]


@server("error-thrown-values")
class _Thrown(RpcTarget):
    def __init__(self, _tools):
        pass

    def text(self):
        raise RemoteError("just text", value="just text")

    def nothing(self):
        raise RemoteError("null", name="null")

    def undef(self):
        raise RemoteError("undefined", name="undefined")

    def object(self):
        raise RemoteError("an object", value={"code": 5, "list": [1]})


@server("error-with-function-thrown")
class _WithFunction(RpcTarget):
    def __init__(self, _tools):
        pass

    def bad(self):
        error = Exception("f")
        error.f, error.n = (lambda: 1), 1
        raise error


@server("map-nested")
class _Rows(RpcTarget):
    def __init__(self, _tools):
        pass

    def rows(self):
        return [[1, 2], [3]]

    def double(self, x):
        return x * 2


@server("map-not-array")
class _NoArray(RpcTarget):
    def __init__(self, _tools):
        pass

    def one(self):
        return {"x": 5}

    def none(self):
        return None

    def undef(self):
        return None


@server("map-targets")
class _Targets(RpcTarget):
    def __init__(self, tools):
        self._note = tools.note

    def all(self):
        return [Counter(1, self._note), Counter(2, self._note)]


class _Log(RpcTarget):
    def __init__(self, order):
        self._order = order

    def log(self, x):
        self._order.append(x)


@server("order-pipelined")
class _Opened(RpcTarget):
    def __init__(self, tools):
        self._tools, self._order = tools, []

    async def open(self):
        await self._tools.pause()
        return _Log(self._order)

    def order(self):
        return self._order


@server("order-promise-argument")
class _Ordered(RpcTarget):
    def __init__(self, tools):
        self._tools, self._order = tools, []

    async def slow(self, x):
        await self._tools.pause()
        return x

    def log(self, x):
        self._order.append(x)

    def order(self):
        return self._order


@server("promise-in-result")
class _Promising(RpcTarget):
    def __init__(self, tools):
        self._tools = tools

    def pending(self):
        async def later():
            return [2]

        return {"now": 1, "later": RpcStub(later)()}


@server("promise-as-result")
class _Asker(RpcTarget):
    def __init__(self, _tools):
        pass

    def ask(self, f):
        return f(5)


@server("property-is-target")
class _Property(RpcTarget):
    def __init__(self, tools):
        self._counter = Counter(5, tools.note)

    @property
    def counter(self):
        return self._counter


@server("readable-bytes")
class _Sizer(RpcTarget):
    def __init__(self, _tools):
        pass

    async def size(self, stream):
        return sum([len(chunk) async for chunk in stream])


@server("readable-empty", "readable-in-result", "batch-stream-in-result")
class _Numbers(RpcTarget):
    def __init__(self, _tools):
        pass

    def count(self, n):
        return ReadableStream(range(n))


@server("readable-forwarded")
class _Forwarder(RpcTarget):
    def __init__(self, _tools):
        pass

    async def forward(self, stream, f):
        return await f(stream)


@server("readable-in-argument", "batch-stream-in-argument")
class _Adder(RpcTarget):
    def __init__(self, _tools):
        pass

    async def sum(self, stream):
        return sum([chunk async for chunk in stream])


@server("readable-cancelled", "readable-not-read", "readable-window", "readable-result-not-pulled")
class _Chunky(RpcTarget):
    def __init__(self, tools):
        self._tools = tools

    def big(self):
        def chunks():
            number = 0
            while True:
                yield {"text": f"{number}" * 65536}
                number += 1

        note = self._tools.note
        return ReadableStream(chunks(), cancel=lambda reason: note(f"cancelled: {reason}"))


@server("readable-of-stubs")
class _Counters(RpcTarget):
    def __init__(self, tools):
        self._note = tools.note

    def counters(self):
        return ReadableStream(Counter(n, self._note) for n in (10, 20))


@server("readable-source-fails")
class _Failing(RpcTarget):
    def __init__(self, _tools):
        pass

    def bad(self):
        def chunks():
            yield 1
            yield 2
            raise ValueError("source broke")

        return ReadableStream(chunks())


@server("stub-in-result-nested")
class _Two(RpcTarget):
    def __init__(self, tools):
        self._note = tools.note

    def two(self):
        return {"list": [Counter(1, self._note), Counter(2, self._note)], "n": 5}


@server("stub-passed-back")
class _PassedBack(RpcTarget):
    def __init__(self, _tools):
        self._counter = Counter(7)

    def make(self):
        return self._counter

    async def read(self, counter):
        return await counter.value


@server("stub-same-target-in-two-results")
class _Same(RpcTarget):
    def __init__(self, _tools):
        self._counter = Counter(1)
        self._stub = RpcStub(self._counter)

    def target(self):
        return self._counter

    def stub(self):
        return self._stub.dup()


@server("use-after-release-by-callee")
class _Late(RpcTarget):
    def __init__(self, _tools):
        self._f = None

    def keep(self, f):
        self._f = f

    async def use(self):
        return await self._f(1)


class _Sink(RpcTarget):
    def __init__(self, tools):
        self._tools = tools

    def sink(self):
        note = self._tools.note
        return WritableStream(
            lambda chunk: note(f"server: wrote {chunk}"),
            close=lambda: note("server: closed"),
            abort=lambda reason: note(f"server: aborted {reason}"),
        )


SERVERS["writable-aborted"] = SERVERS["writable-in-result"] = _Sink


@server("writable-dropped")
class _Dropped(_Sink):
    def sink(self):
        return {"w": super().sink()}


@server("writable-close-slow")
class _Slow(RpcTarget):
    def __init__(self, tools):
        self._tools = tools

    def sink(self):
        async def write(_chunk):
            await self._tools.pause()

        async def close():
            await self._tools.pause()
            self._tools.note("server: closed")

        return WritableStream(write, close=close)


@server("writable-fails")
class _Full(RpcTarget):
    def __init__(self, tools):
        self._note = tools.note

    def sink(self):
        def write(chunk):
            self._note(f"server: write {chunk}")
            if chunk == 2:
                raise ValueError("disk full")

        return WritableStream(write)


@server("writable-in-argument")
class _Filler(RpcTarget):
    def __init__(self, _tools):
        pass

    async def fill(self, writable):
        await writable.write("a")
        await writable.write(["b"])
        await writable.close()
        return "filled"
