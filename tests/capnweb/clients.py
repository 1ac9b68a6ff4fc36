"""The clients of the golden transcripts (see `golden/record.mjs`), in Python."""

from __future__ import annotations

import array
import math
from datetime import UTC, datetime

import rpclab
from rpclab import ReadableStream, RpcStub, RpcTarget, WritableStream
from rpclab.errors import RemoteError
from rpclab.workers.http.blobs import Blob
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import Response
from rpclab.workers.http.url_objects import URL

CLIENTS = {}


def client(function):
    """Take a function as the client of the transcript that is called like it."""
    CLIENTS[function.__name__.replace("_", "-")] = function
    return function


# Calls and properties.


@client
async def call(api, t):
    t.outcome["result"] = await api.add(1, 2)


@client
async def call_two_in_flight(api, t):
    t.outcome["result"] = await rpclab.gather(api.add(1, 2), api.add(3, 4))


@client
async def call_not_awaited(api, t):
    promise = api.newCounter(5)
    await t.settle()
    promise.dispose()


@client
async def call_void(api, t):
    assert await api.nothing() is None


@client
async def call_stub_itself(api, t):
    t.outcome["result"] = await api(6, 7)


@client
async def call_nested_path(api, t):
    t.outcome["result"] = await api.math.add(1, 2)


@client
async def property_get(api, t):
    t.outcome["motto"] = await api.motto
    t.outcome["nested"] = await api.nested.a
    assert await api.nested.a.b["1"] is None


@client
async def property_twice(api, t):
    motto = api.motto
    t.outcome["values"] = [await motto, await motto]


@client
async def pipelined_call(api, t):
    counter = t.use(api.newCounter(5))
    t.outcome["result"] = await counter.increment(2)


@client
async def pipelined_and_awaited(api, t):
    promise = api.newCounter(5)
    total = promise.increment(2)
    counter = await promise
    t.outcome["result"] = await total
    t.outcome["again"] = await counter.increment()
    counter.dispose()


@client
async def pipelined_property(api, t):
    user = t.use(api.user())
    t.outcome["name"] = await user.name
    t.outcome["friend"] = await user.friends


@client
async def promise_as_argument(api, t):
    total = t.use(api.add(1, 2))
    t.outcome["result"] = await api.add(total, 10)


@client
async def promise_property_as_argument(api, t):
    user = t.use(api.user())
    t.outcome["result"] = await api.greet(user.name)


@client
async def promise_as_argument_fails(api, t):
    bad = api.fail("bad argument")
    kind, error = await t.caught(api.add(bad, 10))
    assert (kind, str(error)) == ("error", "bad argument")
    t.held = bad


@client
async def order_promise_argument(api, t):
    t.held = api.slow("first")
    first = api.log(t.held)
    second = api.log("second")
    await rpclab.gather(first, second)
    t.outcome["order"] = await api.order()


@client
async def order_pipelined(api, t):
    t.held = opened = api.open()
    await rpclab.gather(*[opened.log(x) for x in (1, 2, 3)])
    t.outcome["order"] = await api.order()


@client
async def stub_property_as_argument(api, t):
    t.outcome["result"] = await api.greet(api.motto)


@client
async def broken_promise_pipelined(api, t):
    bad = api.fail("broken")
    results = await rpclab.gather(bad.foo.bar(), bad.x, bad, return_exceptions=True)
    assert [str(error) for error in results] == ["broken"] * 3


# References.


@client
async def callback(api, t):
    def f(a, b):
        t.note(f"client: called with {a} {b}")
        return a + b

    f.dispose = lambda: t.note("client: callback disposed")
    t.outcome["result"] = await api.callBack(f, 20, 22)


@client
async def callback_kept(api, t):
    def f(x):
        t.note(f"client: got {x}")
        return x * 2

    f.dispose = lambda: t.note("client: callback disposed")
    t.outcome["first"] = await api.subscribe(f)
    t.outcome["second"] = await api.publish(21)
    await api.unsubscribe()


@client
async def callback_same_function_twice(api, t):
    f = lambda: 1  # noqa: E731 - as there
    t.outcome["result"] = await api.count(f, f)
    stub = t.use(RpcStub(lambda: 2))
    t.outcome["stub"] = await api.count(stub, stub)


@client
async def callback_stub_reused(api, t):
    stub = t.use(RpcStub(lambda: 2))
    await api.keep(stub)
    await api.keep(stub)
    t.outcome["left"] = [await api.drop(), await api.drop()]


@client
async def stub_in_result(api, t):
    counter = await api.newCounter(3)
    t.outcome["value"] = await counter.increment()
    counter.dispose()


@client
async def stub_in_result_nested(api, t):
    promise = api.two()
    result = await promise
    first = await result["list"][0].increment()
    t.outcome["sum"] = first + await result["list"][1].increment()
    promise.dispose()


@client
async def stub_same_target_in_two_results(api, t):
    stubs = [await api.target(), await api.target(), await api.stub(), await api.stub()]
    t.outcome["values"] = [await stub.increment() for stub in stubs]
    for stub in stubs:
        stub.dispose()


@client
async def stub_passed_back(api, t):
    counter = await api.make()
    t.outcome["value"] = await api.read(counter)
    counter.dispose()


@client
async def stub_dup(api, t):
    counter = await api.newCounter(3)
    await t.settle()
    other = counter.dup()
    counter.dispose()
    t.outcome["value"] = await other.increment()
    other.dispose()


@client
async def dispose_crosses_result(api, t):
    promise = api.newCounter(1)
    await promise
    promise.dispose()


@client
async def use_after_dispose(api, t):
    counter = await api.newCounter(3)
    counter.dispose()
    kind, _ = await t.caught(counter.increment())
    assert kind == "error"


@client
async def use_after_release_by_callee(api, t):
    await api.keep(lambda x: x)
    kind, _ = await t.caught(api.use())
    assert kind == "error"


@client
async def quirk_parameter_returned(api, t):
    kind, _ = await t.caught(api.echo(lambda x: x + 1))
    assert kind == "error"


@client
async def callback_not_awaited(api, t):
    await api.subscribe(lambda i: t.note(f"client: tick {i}"))
    await api.tick(3)


@client
async def stub_forwarded(api, t):
    async def call(g):
        return await g(5)

    t.outcome["result"] = await api.callBack(call, lambda x: x + 1)


@client
async def property_is_target(api, t):
    one = await api.counter
    two = await api.counter
    t.outcome["values"] = [await one.value, await api.counter.increment(), await two.value]
    one.dispose()
    two.dispose()


@client
async def call_on_own_stub_pipelined(api, t):
    back = t.use(api.give(lambda x: x + 1))
    t.outcome["result"] = await back(41)


@client
async def promise_as_result(api, t):
    t.outcome["result"] = await api.ask(lambda x: x * 100)


@client
async def local_promise_in_argument(api, t):
    async def mine():
        await t.pause()
        return 41

    t.outcome["result"] = await api.add(RpcStub(mine)(), 1)


@client
async def local_promise_rejected(api, t):
    async def mine():
        await t.pause()
        raise ValueError("mine failed")

    kind, error = await t.caught(api.add(RpcStub(mine)(), 1))
    assert (kind, repr(error)) == ("error", "ValueError('mine failed')")


@client
async def promise_in_result(api, t):
    t.outcome["result"] = await api.pending()


@client
async def stub_of_caller_comes_back(api, t):
    f = lambda x: x + 1  # noqa: E731 - as there
    alone = await api.give(f)
    [back] = await api.giveList(f)
    t.outcome["in_a_list"] = await back(1)
    back.dispose()
    alone.dispose()


class _Greeter(RpcTarget):
    def hi(self, name):
        return f"client says hi {name}"


@client
async def server_calls_client_main(api, t):
    await t.settle()
    t.outcome["other"] = await api.add(1, 1)


server_calls_client_main.main = _Greeter


@client
async def no_client_main(api, t):
    pass


# map


@client
async def map(api, t):  # noqa: A001 - the name of the transcript
    user = t.use(api.user())
    t.outcome["result"] = await user.friends.map(lambda friend: friend["name"])


@client
async def map_call_captured(api, t):
    user = t.use(api.user())
    mapped = user.friends.map(lambda friend: [friend["id"], api.greet(friend["name"])])
    t.outcome["result"] = await mapped


@client
async def map_own_capture(api, t):
    mine = t.use(RpcStub(lambda x: f"mine {x}"))
    user = t.use(api.user())
    t.outcome["result"] = await user.friends.map(lambda friend: mine(friend["name"]))


@client
async def map_not_array(api, t):
    t.held = []
    for name in ("one", "none", "undef"):
        t.held.append(api[name]())
        t.outcome[name] = await t.held[-1].map(lambda v: v["x"])
    assert t.outcome.pop("undef") is None


@client
async def map_of_stub(api, t):
    t.held = api.echo([1, 2, 3])
    t.outcome["result"] = await t.held.map(lambda x: x)


@client
async def map_fails(api, t):
    t.held = api.echo([1, 2])
    kind, error = await t.caught(t.held.map(lambda _: api.fail("item")))
    assert (kind, str(error)) == ("error", "item")


@client
async def map_targets(api, t):
    counters = t.use(api.all())
    t.outcome["result"] = await counters.map(lambda c: c.increment(10))


@client
async def map_object_literal(api, t):
    user = t.use(api.user())
    mapped = user.friends.map(lambda friend: {"n": friend["name"], "k": [1, "x", None, 2**70]})
    await mapped


# Values.


@client
async def value_primitives(api, t):
    values = [None, True, 0, -0.0, 1.5, 1e300, 2.0**53, "", 'é😀\u2028"\\\n', "\ud800"]
    assert await api.echo(*values) == values


@client
async def value_array_escape(api, t):
    values = [[], [1, [2, []]], ["date", 5], [["x"]], {"a": [1]}]
    assert await api.echo(*values) == values
    assert await api.echo(["just one"]) == ["just one"]


@client
async def value_non_finite(api, t):
    one, two, three = await api.echo(math.inf, -math.inf, math.nan)
    assert (one, two, math.isnan(three)) == (math.inf, -math.inf, True)


@client
async def value_bigint(api, t):
    await api.echo(0, -5, 2**70)


@client
async def value_date(api, t):
    when = [datetime.fromtimestamp(1749342170.815, UTC), datetime.fromtimestamp(-0.001, UTC)]
    assert (await api.echo(*when, None))[:2] == when


@client
async def value_bytes(api, t):
    values = [b"", b"\x01", b"\x01\x02", b"hi!", bytes([251, 255, 254])]
    assert await api.echo(*values) == values


@client
async def value_typed_arrays(api, t):
    values = [
        array.array("b", [-1]), array.array("h", [1, -2]), array.array("H", [258]),
        array.array("i", [-1]), array.array("I", [1]), array.array("q", [-1]),
        array.array("Q", [1]), array.array("f", [1.5]), array.array("d", [math.nan, 0.1]),
        array.array("d"),
    ]  # fmt: skip
    await api.echo(b"\x01\x02", b"\x02\x03", values[0], array.array("B", [255]), *values[1:])


@client
async def value_url(api, t):
    url = await api.echo(URL("HTTP://Example.com:80/a b?q=ü#f"))
    assert url.href == "http://example.com/a%20b?q=%C3%BC#f"


@client
async def value_headers(api, t):
    pairs = [("X-B", "2"), ("X-A", "1"), ("x-a", "3"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")]
    headers = await api.echo(Headers(pairs))
    assert headers["x-a"] == "1, 3"
    assert [*await api.echo(Headers())] == []


@client
async def value_request(api, t):
    plain = await api.echo(Request("https://example.com/x?y=1"))
    t.outcome["plain"] = [plain.method, plain.url]
    await api.echo(
        Request(
            "https://example.com/", method="DELETE", headers={"X-Token": "t"}, redirect="manual"
        )
    )


TEXT = {"content-type": "text/plain;charset=UTF-8"}


@client
async def value_request_body(api, t):
    hello = ReadableStream([b"hello body"])
    request = Request("https://example.com/", method="POST", body=hello, headers=TEXT)
    t.outcome["text"] = await api.body(request)
    blob = ReadableStream([b"from a blob"])
    request = Request("https://example.com/", method="PUT", body=blob)
    t.outcome["stream"] = await api.body(request)


@client
async def value_response(api, t):
    empty = await api.echo(Response(None, status=204))
    t.outcome["empty"] = [empty.status, empty.body]
    hello = Response(
        ReadableStream([b"hello"]), status=201, status_text="Made", headers={**TEXT, "X-A": "1"}
    )
    t.outcome["argument"] = await api.body(hello)
    page = await api.page()
    assert (page.status, await page.text()) == (404, "a page")
    assert page.headers.get_set_cookie() == ["a=1", "b=2"]


@client
async def value_blob(api, t):
    blob = await api.echo(Blob(["hello blob"], content_type="text/x-test"))
    t.outcome["result"] = [blob.content_type, blob.size, await blob.text()]


@client
async def value_blob_empty(api, t):
    blob = await api.echo(Blob([]))
    t.outcome["result"] = [blob.content_type, blob.size]


@client
async def value_unsupported(api, t):
    for value in [{1, 2}, (1, 2), 1j, object()]:
        kind, _ = await t.caught(api.echo(value))
        assert kind == "error"
    kind, _ = await t.caught(api.echo([lambda: 1, {1, 2}]))
    assert kind == "error"
    t.outcome["next"] = await api.callBack(lambda: "ok")
    cycle = {}
    cycle["self"] = cycle
    kind, _ = await t.caught(api.echo(cycle))
    assert kind == "error"


# Errors.


@client
async def error(api, t):
    kind, error = await t.caught(api.fail("oh no"))
    assert (kind, type(error), str(error)) == ("error", TypeError, "oh no")


@client
async def error_properties(api, t):
    errors = [
        (await t.caught(api[name]()))[1]
        for name in ("props", "cause", "aggregate", "custom", "dom", "badProp")
    ]
    props, cause, many, custom, dom, bad = errors
    assert (type(props), props.code, props.details["list"]) == (ValueError, "E1", [1, [2]])
    assert repr(cause.__cause__) == "TypeError('inner')"
    assert many.errors[1] == 5
    assert (custom.name, dom.name, bad.ok) == ("AppError", "QuotaExceededError", 1)


@client
async def error_thrown_values(api, t):
    errors = [(await t.caught(api[name]()))[1] for name in ("text", "nothing", "undef", "object")]
    assert [e.value for e in errors] == ["just text", None, None, {"code": 5, "list": [1]}]


@client
async def error_as_value(api, t):
    error = SyntaxError("s")
    error.line = 3
    back = await api.echo(error)
    assert (type(back), str(back), back.line) == (SyntaxError, "s", 3)
    error = Exception("f")
    error.f = lambda: 1
    t.outcome["with_function"] = await api.count(error)


@client
async def error_with_function_thrown(api, t):
    _, error = await t.caught(api.bad())
    assert error.n == 1


@client
async def error_on_send(api, t):
    _, error = await t.caught(api.fail("secret"))
    assert str(error) == "redacted secret"
    assert "the stack" in error.__notes__[0]


@client
async def error_missing_member(api, t):
    await t.caught(api.nope(1))
    await t.caught(api.nope)
    await t.caught(api.nope.deeper)
    await t.caught(api.own)
    await t.caught(api.motto())
    await t.caught(api.motto.length)
    counter = await api.newCounter()
    assert await counter.value == 0
    t.held = counter


@client
async def error_names(api, t):
    kinds = {
        "EvalError": RemoteError, "RangeError": ValueError, "ReferenceError": NameError,
        "SyntaxError": SyntaxError, "TypeError": TypeError, "URIError": RemoteError,
        "AggregateError": RemoteError, "KeyError": KeyError,
    }  # fmt: skip
    for name, kind in kinds.items():
        _, error = await t.caught(api["raise"](name))
        assert type(error) is kind
        assert kind is not RemoteError or error.name == name


@client
async def error_result_unsupported(api, t):
    assert [(await t.caught(api[name]()))[0] for name in ("table", "both")] == ["error"] * 2


# Streams.


@client
async def readable_in_argument(api, t):
    t.outcome["result"] = await api.sum(ReadableStream(range(3)))


@client
async def readable_in_result(api, t):
    t.outcome["result"] = [chunk async for chunk in await api.count(3)]


@client
async def readable_empty(api, t):
    t.outcome["result"] = [chunk async for chunk in await api.count(0)]


@client
async def readable_bytes(api, t):
    t.outcome["result"] = await api.size(ReadableStream([b"some bytes"]))


@client
async def readable_cancelled(api, t):
    stream = await api.big()
    t.outcome["first"] = len((await anext(stream))["text"])
    await stream.cancel(Exception("had enough"))
    await t.settle()


@client
async def readable_window(api, t):
    stream = await api.big()
    for _ in range(3):
        await t.settle()
        await anext(stream)
    await t.settle()
    await stream.cancel()


@client
async def readable_result_not_pulled(api, t):
    promise = api.big()
    await t.settle()
    promise.dispose()


@client
async def readable_source_fails(api, t):
    stream = await api.bad()
    chunks = []
    kind, error = await t.caught(_read_into(stream, chunks))
    assert (kind, repr(error)) == ("error", "ValueError('source broke')")
    assert chunks == [1, 2]


async def _read_into(stream, chunks):
    async for chunk in stream:
        chunks.append(chunk)


@client
async def readable_not_read(api, t):
    promise = api.big()
    stream = await promise
    await t.settle()
    await stream.cancel(Exception("ReadableStream RPC stub was disposed without being consumed"))


@client
async def readable_of_stubs(api, t):
    t.outcome["result"] = []
    async for counter in await api.counters():
        t.outcome["result"].append(await counter.increment())
        counter.dispose()


@client
async def readable_forwarded(api, t):
    async def count(stream):
        return len([chunk async for chunk in stream])

    t.outcome["result"] = await api.forward(ReadableStream(range(2)), count)


@client
async def quirk_readable_returned(api, t):
    t.held = await t.caught(api.echo(ReadableStream(range(2))))


@client
async def writable_in_argument(api, t):
    got = []
    sink = WritableStream(got.append, close=lambda: got.append("closed"))
    t.outcome["result"] = await api.fill(sink)
    t.outcome["got"] = got


@client
async def writable_in_result(api, t):
    sink = await api.sink()
    await sink.write(1)
    await sink.write({"two": [2]})
    await sink.close()


@client
async def writable_aborted(api, t):
    sink = await api.sink()
    await sink.write(1)
    await sink.abort(Exception("stop it"))


@client
async def writable_fails(api, t):
    sink = await api.sink()
    for x in (1, 2, 3):
        await sink.write(x)
    kind, error = await t.caught(sink.close())
    assert (kind, repr(error)) == ("error", "ValueError('disk full')")


@client
async def writable_dropped(api, t):
    result = await api.sink()
    await result["w"].write(1)
    await result["w"].abort()


@client
async def writable_close_slow(api, t):
    sink = await api.sink()
    await sink.write(1)
    await sink.write(2)
    await sink.close()
    t.note("client: close resolved")


# Batches and WebSockets: what crosses there is the same.


@client
async def batch(api, t):
    total = api.add(1, 2)
    t.outcome["result"] = await rpclab.gather(total, api.greet(total))


@client
async def batch_map(api, t):
    t.held = api.user()
    mapped = t.held.friends.map(lambda friend: api.greet(friend["name"]))
    t.outcome["result"] = await mapped


@client
async def batch_error(api, t):
    kind, error = await t.caught(api.fail("no"))
    assert (kind, repr(error)) == ("error", "TypeError('no')")


@client
async def batch_not_awaited(api, t):
    t.held = api.add(5, 6)
    t.outcome["result"] = await api.add(1, 2)


@client
async def batch_stub_in_result(api, t):
    t.held = await api.newCounter(1)


@client
async def batch_late_call(api, t):
    t.outcome["first"] = await api.add(1, 2)


@client
async def batch_stream_in_argument(api, t):
    t.outcome["result"] = ["value", str(await api.sum(ReadableStream(range(3))))]


@client
async def ws_call(api, t):
    t.outcome["result"] = await api.add(1, 2)


# Hand-written servers.


@client
async def answer_same_export_twice(api, t):
    a = await api.get()
    b = await api.get()
    a.dispose()
    b.dispose()


@client
async def answer_same_export_twice_after_release(api, t):
    (await api.get()).dispose()
    (await api.get()).dispose()


@client
async def answer_resolve_twice(api, t):
    t.outcome["result"] = await api.get()


@client
async def answer_resolve_without_pull(api, t):
    promise = api.get()
    await t.settle()
    t.held = await promise


@client
async def answer_promise_rejected_in_result(api, t):
    kind, error = await t.caught(api.get())
    assert (kind, str(error)) == ("error", "late")


@client
async def answer_promise_chain(api, t):
    t.outcome["result"] = await api.get()


@client
async def answer_result_is_main(api, t):
    [main] = await api.get()
    kind, error = await t.caught(main.hi())
    assert (kind, str(error)) == ("error", "This connection has no main object.")


@client
async def answer_unknown_import_in_result(api, t):
    kind, _ = await t.caught(api.get())
    assert kind == "error"


@client
async def answer_call_in_result(api, t):
    assert await api.get(lambda x: x + 1) == 21


@client
async def answer_reject_of_a_stub(api, t):
    stub = await api.get()
    stub.on_broken(lambda error: t.note(f"broken: Error: {error}"))
    t.outcome["other"] = await api.other()
    await t.settle()
    kind, error = await t.caught(stub.hi())
    assert (kind, str(error)) == ("error", "the target is gone")
    stub.dispose()


@client
async def answer_abort(api, t):
    kind, error = await t.caught(api.get())
    assert kind == "error"
    assert "cannot go on" in str(error)


@client
async def on_broken(api, t):
    bad = api.fail("broken thing")
    bad.on_broken(lambda error: t.note(f"promise broken: TypeError: {error}"))
    await t.caught(bad)
    counter = await api.newCounter(1)
    counter.on_broken(lambda error: t.note(f"stub broken: {error}"))
    t.held = counter
