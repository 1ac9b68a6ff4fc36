"""Every error there is, raised by real use; what it says, and what it says to do next."""

from __future__ import annotations

import asyncio
import inspect
import re
import tempfile
import warnings
from pathlib import Path

import pytest

import rpclab
from rpclab import Limits, RpcTarget, configured, errors
from rpclab.config import Document, read_config
from rpclab.trace.recording import Recording

WORKER = """
import asyncio
import workers as names
from workers import RpcTarget, WorkerEntrypoint

class Counter(RpcTarget):
    unit = "pieces"

    @property
    def size(self):
        return 3

    def increment(self, amount=1):
        return amount

class Mortal(RpcTarget):
    def __init__(self, ctx):
        self._ctx = ctx

    def abort(self):
        self._ctx.abort("had enough")

class Worker(WorkerEntrypoint):
    def mortal(self):
        return Mortal(self.ctx)

    def greet(self, name):
        return f"Hello, {name}"

    def counter(self):
        return Counter()

    def leave(self):
        raise StopIteration("enough")

    def misfit(self):
        error = UnicodeDecodeError("utf-8", b"x", 0, 1, "odd")
        error.args = ("these are not its arguments",)
        raise error

    async def wait(self):
        await asyncio.sleep(1000)

    async def abort(self):
        self.ctx.abort("had enough")

    async def call(self, function, *args):
        return await function(*args)

    def unsendable(self):
        return {"items": [1, object()]}

    def large(self):
        return {"small": 1, "blob": b"x" * 5000}

    def throw(self, kind):
        raise kinds[kind]("thrown on purpose")

    async def catch(self, function, kind):
        try:
            await function()
        except kinds[kind] as error:
            return [type(error) is kinds[kind], str(error), error.remote]

Default = Worker
"""

KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, BaseException)
}
CROSSING = [name for name, kind in KINDS.items() if issubclass(kind, errors.RpcError)]


def deploy(sandbox):
    """Deploy the Worker; gives the program's binding to it."""
    module, env = sandbox.prepare("worker")
    module.kinds = KINDS
    exec(WORKER, module.__dict__)  # noqa: S102 - test code
    sandbox.publish("worker", module, env)
    return sandbox.bind(WORKER="worker").WORKER


@pytest.fixture
def worker(sandbox):
    return deploy(sandbox)


async def error_of(awaitable):
    """The error that an awaitable raises."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the test looks at it
        await awaitable
    return caught.value


def notes(error):
    return " ".join(getattr(error, "__notes__", ()))


# One real way to each of them.


async def a_method_left_by_what_steers_python(sandbox, worker):
    return await error_of(worker.leave())


async def a_protocol_error_that_a_worker_raises_itself(sandbox, worker):
    return await error_of(worker.throw("ProtocolError"))


SLOW = """
import asyncio
from workers import DurableObject, WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def wait(self):
        await asyncio.sleep(1000)

class Room(DurableObject):
    def enter(self):
        pass
"""


async def a_worker_with_more_calls_than_turns(sandbox, worker):
    sandbox.deploy("slow", source=SLOW, concurrency=1, queue=0)
    slow = sandbox.bind(SLOW="slow").SLOW
    _first = slow.wait()
    return await error_of(slow.wait())


async def an_object_that_lives_on_another_node(sandbox, worker):
    with tempfile.TemporaryDirectory() as folder:
        nodes = [
            rpclab.Sandbox(shared_objects=rpclab.SharedObjects(f"{folder}/objects.sqlite", name))
            for name in ("one", "two")
        ]
        rooms = []
        for node in nodes:
            node.deploy("slow", source=SLOW)
            rooms.append(node.bind(ROOM=rpclab.objects("slow#Room")).ROOM.get_by_name("den"))
        await rooms[0].enter()
        error = await error_of(rooms[1].enter())
        for node in nodes:
            node.close()
    return error


async def a_call_from_a_context_that_is_over(sandbox, worker):
    over = asyncio.Event()

    async def straggler():
        await over.wait()
        return await error_of(worker.greet("Ada"))

    async with sandbox.event():
        task = asyncio.create_task(straggler())
        await worker.greet("Ada")
    over.set()
    return await task


async def a_peer_that_sends_garbage(sandbox, worker):
    await worker.greet("Ada")
    sandbox.engine.session("notebook", "worker").receive(0, [b"\xc1"])
    return await error_of(worker.greet("Ada"))


async def an_error_that_no_class_here_can_stand_for(sandbox, worker):
    return await error_of(worker.misfit())


async def a_method_that_is_not_there(sandbox, worker):
    return await error_of(worker.gret("Ada"))


async def a_property_that_is_called(sandbox, worker):
    return await error_of(worker.counter().size())


async def a_value_that_cannot_be_sent(sandbox, worker):
    return await error_of(worker.greet(object()))


async def a_message_over_the_limit(sandbox, worker):
    with pytest.raises(errors.MessageTooLargeError) as caught:
        async with rpclab.Sandbox(limits=Limits(message_bytes=1000)) as small:
            await deploy(small).greet("x" * 2000)
    return caught.value


async def a_stub_used_after_its_end(sandbox, worker):
    counter = await worker.counter()
    counter.dispose()
    return await error_of(counter.increment())


async def a_target_whose_context_is_over(sandbox, worker):
    mortal = await worker.mortal()
    await error_of(mortal.abort())
    return await error_of(mortal.abort())


async def a_call_awaited_after_its_cancellation(sandbox, worker):
    promise = worker.wait()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_await(promise), timeout=1)
    return await error_of(promise)


async def _await(promise):
    return await promise


async def a_sandbox_that_is_closed_meanwhile(sandbox, worker):
    promise = worker.wait()
    sandbox.close()
    return await error_of(promise)


async def a_worker_that_is_not_deployed(sandbox, worker):
    return await error_of(sandbox.bind(OTHER="workr").OTHER.greet("Ada"))


async def a_worker_that_cannot_run_where_it_was_placed(sandbox, worker):
    elsewhere = rpclab.Sandbox(clock="virtual")
    with pytest.raises(errors.PlacementError) as caught:
        elsewhere.deploy("other", source="", placement="process")
    elsewhere.close()
    return caught.value


async def an_entrypoint_that_is_not_exported(sandbox, worker):
    with pytest.raises(errors.UnknownEntrypointError) as caught:
        sandbox.bind(OTHER="worker#Wroker")
    return caught.value


async def a_statement_that_is_no_sql(sandbox, worker):
    return await error_of(sandbox.d1(":memory:").prepare("SELEC 1").run())


async def a_key_that_would_expire_at_once(sandbox, worker):
    return await error_of(sandbox.kv("CACHE").put("a", "1", expiration_ttl=1))


async def a_configuration_that_is_not_there(sandbox, worker):
    with pytest.raises(errors.ConfigError) as caught:
        rpclab.Sandbox.from_config(Path(__file__).parent / "wrangler.toml")
    return caught.value


async def a_file_that_is_no_recording(sandbox, worker):
    with pytest.raises(errors.RecordingError) as caught:
        Recording.load(__file__)
    return caught.value


async def a_configuration_that_says_more_than_is_done(sandbox, worker):
    text = 'name = "a"\nmain = "a.py"\nroute = "x"\n'
    config = read_config(Document(text, "wrangler.toml"), folder=Path())
    with pytest.warns(errors.ConfigWarning) as caught:
        configured.warn(config)
    return caught[-1].message


async def a_stream_that_was_sent_already(sandbox, worker):
    stream = rpclab.ReadableStream(["once"])
    await worker.greet(stream)
    return await error_of(worker.greet(stream))


async def a_stream_that_is_written_after_its_close(sandbox, worker):
    stream = rpclab.WritableStream()
    await stream.close()
    return await error_of(stream.write("too late"))


async def stubs_that_an_event_leaves_behind(sandbox, worker):
    sandbox.engine.warn_undisposed = True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with sandbox.event():
            _left = await worker.counter()
    return caught[-1].message


CATALOGUE = {
    "RpcError": a_method_left_by_what_steers_python,
    "ProtocolError": a_protocol_error_that_a_worker_raises_itself,
    "LocalProtocolError": a_call_from_a_context_that_is_over,
    "RemoteProtocolError": a_peer_that_sends_garbage,
    "RemoteError": an_error_that_no_class_here_can_stand_for,
    "NoSuchMemberError": a_method_that_is_not_there,
    "NotCallableError": a_property_that_is_called,
    "DataCloneError": a_value_that_cannot_be_sent,
    "MessageTooLargeError": a_message_over_the_limit,
    "DisposedError": a_stub_used_after_its_end,
    "ContextEndedError": a_target_whose_context_is_over,
    "CallCancelledError": a_call_awaited_after_its_cancellation,
    "DisconnectedError": a_sandbox_that_is_closed_meanwhile,
    "OverloadedError": a_worker_with_more_calls_than_turns,
    "ObjectElsewhereError": an_object_that_lives_on_another_node,
    "StreamLockedError": a_stream_that_was_sent_already,
    "StreamClosedError": a_stream_that_is_written_after_its_close,
    "UnknownBindingError": a_worker_that_is_not_deployed,
    "PlacementError": a_worker_that_cannot_run_where_it_was_placed,
    "D1Error": a_statement_that_is_no_sql,
    "KVError": a_key_that_would_expire_at_once,
    "UnknownEntrypointError": an_entrypoint_that_is_not_exported,
    "ConfigError": a_configuration_that_is_not_there,
    "RecordingError": a_file_that_is_no_recording,
    "ConfigWarning": a_configuration_that_says_more_than_is_done,
    "UndisposedStubWarning": stubs_that_an_event_leaves_behind,
}


def test_every_class_of_errors_stands_in_the_catalogue():
    assert set(CATALOGUE) == set(KINDS)


def test_the_tree_on_top_of_the_module_shows_every_class():
    assert set(KINDS) <= set(re.findall(r"\w+", errors.__doc__))


@pytest.mark.parametrize("name", CATALOGUE)
async def test_real_use_raises(name, sandbox, worker):
    error = await CATALOGUE[name](sandbox, worker)
    assert type(error) is KINDS[name]
    assert str(error)


@pytest.mark.parametrize("name", CROSSING)
async def test_Z1_Z2_an_error_of_ours_keeps_its_class_from_a_worker_to_its_caller(name, worker):
    error = await error_of(worker.throw(name))
    assert type(error) is KINDS[name]
    assert str(error) == "thrown on purpose"
    assert error.remote is True


@pytest.mark.parametrize("name", CROSSING)
async def test_Z1_Z2_an_error_of_ours_keeps_its_class_from_a_callback_to_the_worker(name, worker):
    def throw():
        raise KINDS[name]("thrown on purpose")

    assert await worker.catch(throw, name) == [True, "thrown on purpose", True]


@pytest.mark.parametrize("name", CROSSING)
def test_one_except_clause_catches_the_whole_family(name):
    assert issubclass(KINDS[name], rpclab.RpcError)


# What they say.


class Plain:
    pass


async def test_V14_an_unsendable_argument_is_named_with_its_class_path_and_advice(worker):
    error = await error_of(worker.greet({"items": [1, {"deep": Plain()}]}))
    assert 'type "Plain"' in str(error)
    assert 'args[0]["items"][1]["deep"]' in str(error)
    assert error.path == 'args[0]["items"][1]["deep"]'
    assert "derive the class from rpclab.RpcTarget" in notes(error)
    assert error.remote is False


async def test_V14_an_unsendable_keyword_argument_is_named_by_its_keyword(worker):
    error = await error_of(worker.greet(name=[Plain()]))
    assert error.path == 'kwargs["name"][0]'


async def test_V14_an_unsendable_result_is_named_as_result_and_marked_remote(worker):
    error = await error_of(worker.unsendable())
    assert error.path == 'result["items"][1]'
    assert error.path in str(error)
    assert error.remote is True


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ((n for n in [1]), "send a list"),
        (range(3), "send list(value)"),
        (1j, "(value.real, value.imag)"),
        (type("Text", (str,), {})("x"), "send str(value)"),
        (Plain, "send a function that makes an instance"),
        (memoryview(b"x"), None),
    ],
    ids=["generator", "range", "complex", "subclass", "class", "memoryview"],
)
async def test_V15_what_cannot_be_sent_comes_with_what_to_send_instead(worker, value, advice):
    if advice is None:
        assert await worker.greet(value) == "Hello, b'x'"
        return
    assert advice in notes(await error_of(worker.greet(value)))


async def test_E9_a_missing_entrypoint_is_named_with_the_near_ones(sandbox, worker):
    error = await an_entrypoint_that_is_not_exported(sandbox, worker)
    assert str(error) == 'the Worker "worker" exports no entrypoint "Wroker"'
    assert notes(error) == "did you mean 'Worker'?"


async def test_E9_an_entrypoint_that_goes_missing_later_is_named_at_the_call(sandbox, worker):
    env = sandbox.bind(NAMED="worker#Worker")
    sandbox.deploy("worker", source="from workers import WorkerEntrypoint")
    error = await error_of(env.NAMED.greet("Ada"))
    assert type(error) is errors.UnknownEntrypointError
    assert "exports nothing: define class Default" in notes(error)


async def test_a_missing_worker_is_named_with_the_near_ones(sandbox, worker):
    error = await a_worker_that_is_not_deployed(sandbox, worker)
    assert str(error) == 'no Worker "workr" is deployed'
    assert "did you mean 'worker'?" in notes(error)


async def test_X3_a_missing_variable_of_env_is_named_with_the_near_ones(sandbox, worker):
    said = "this program's env has no binding or variable WORKR"
    with pytest.raises(AttributeError, match=said) as caught:
        _ = sandbox.env.WORKR
    assert notes(caught.value) == "did you mean 'WORKER'?"
    with pytest.raises(KeyError, match="'WORKR'") as caught:
        _ = sandbox.env["WORKR"]
    assert notes(caught.value) == "did you mean 'WORKER'?"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "it is empty"),
        ("notebook", "the program around the Workers is called that"),
        ("a#b", 'after "#" a binding names an entrypoint'),
        ("a→b", 'sessions are named "from→to"'),
    ],
)
def test_what_cannot_be_the_name_of_a_worker_is_refused_with_the_reason(sandbox, name, reason):
    with pytest.raises(ValueError, match="cannot be the name of a Worker") as caught:
        sandbox.deploy(name, source="")
    assert str(caught.value) == f"{name!r} cannot be the name of a Worker: {reason}"


def test_what_is_no_text_cannot_be_deployed(sandbox):
    with pytest.raises(TypeError, match="the name of a Worker is a text, not int"):
        sandbox.deploy(5, source="")
    with pytest.raises(TypeError, match="source is the text of the module, not int"):
        sandbox.deploy("worker", source=5)
    with pytest.raises(TypeError, match=r"the text of the module: use path\.read_text\(\)"):
        sandbox.deploy("worker", source=Path("worker.py"))
    assert sandbox.workers == {}


async def test_C6_a_missing_method_is_named_with_the_near_ones(worker):
    error = await error_of(worker.gret("Ada"))
    assert str(error) == 'The RPC receiver does not implement the method "gret".'
    assert "did you mean 'greet'?" in notes(error)
    assert isinstance(error, TypeError)


async def test_C6_a_name_that_is_near_to_none_is_answered_with_all(worker):
    error = await error_of(worker.counter().zzz())
    assert "there are: increment, size" in notes(error)


async def test_C7_what_is_no_function_is_named_with_its_path(worker):
    error = await error_of(worker.counter().size())
    assert str(error) == '"size" is not a function.'


async def test_O3_use_after_dispose_says_where_it_was_made_and_disposed(worker):
    counter = await worker.counter()
    made = inspect.currentframe().f_lineno - 1
    counter.dispose()
    error = await error_of(counter.increment())
    assert str(error) == errors.STUB_DISPOSED
    assert f"{__file__}, line {made}" in notes(error)
    assert f"disposed at {__file__}, line {made + 2}" in notes(error)
    assert error.remote is False


async def test_O8_a_parameter_used_after_the_return_says_to_dup_it(worker):
    kept = []

    def keep(stub):
        kept.append(stub)

    async with worker.counter() as counter:
        await worker.call(keep, counter)
        error = await error_of(kept[0].increment())
    assert "to keep it, take stub.dup() inside the method" in notes(error)


async def test_O3_a_disposed_promise_says_so(worker):
    promise = worker.counter()
    promise.dispose()
    assert str(await error_of(promise.increment())) == errors.PROMISE_DISPOSED


async def test_V23_a_large_argument_says_its_size_the_limit_and_the_largest_member():
    async with rpclab.Sandbox(limits=Limits(message_bytes=1000)) as sandbox:
        error = await error_of(deploy(sandbox).greet([1, {"blob": b"x" * 2000}]))
    assert "limited to 1000 bytes" in str(error)
    assert "the size of this value was: 20" in str(error)
    assert 'args[0][1]["blob"]' in str(error)
    assert error.remote is False


async def test_V23_a_large_result_says_so_too_and_is_marked_remote():
    async with rpclab.Sandbox(limits=Limits(message_bytes=1000)) as sandbox:
        error = await error_of(deploy(sandbox).large())
    assert 'result["blob"]' in str(error)
    assert error.remote is True


async def test_a_value_nested_too_deep_names_the_limit(worker):
    value = []
    for _ in range(1000):
        value = [value]
    error = await error_of(worker.greet(value))
    assert type(error) is errors.DataCloneError
    assert "deeper than 256 containers" in str(error)


async def test_a_value_nested_beyond_recursion_is_refused_in_the_same_words(worker):
    value = ()
    for _ in range(100_000):
        value = (value,)
    assert "deeper than 256 containers" in str(await error_of(worker.greet(value)))


async def test_a_broken_message_is_shown_and_ends_that_session_alone(sandbox, worker):
    sandbox.deploy("other", source=WORKER)
    other = sandbox.bind(OTHER="other").OTHER
    error = await a_peer_that_sends_garbage(sandbox, worker)
    assert "the peer sent a frame that is no message" in str(error)
    assert await other.greet("Ada") == "Hello, Ada"


async def test_what_steers_python_is_named_in_the_error(worker):
    error = await error_of(worker.leave())
    assert str(error) == "the method was left by StopIteration: enough"


async def test_a_remote_error_says_what_was_raised_there(worker):
    error = await error_of(worker.misfit())
    assert error.name == "UnicodeDecodeError"
    assert str(error) == "these are not its arguments"


async def test_W7_an_aborted_call_carries_the_reason(worker):
    assert str(await error_of(worker.abort())) == "had enough"


async def test_a_deadline_that_passed_is_named_when_the_call_is_awaited_again(worker):
    made = []

    async def block():
        async with rpclab.deadline(1):
            made.append(worker.wait())
            await asyncio.sleep(10)

    assert type(await error_of(block())) is TimeoutError
    [promise] = made
    assert "its deadline passed" in str(await error_of(promise))


async def test_an_error_raised_again_and_again_stays_the_same_length(worker):
    promise = worker.gret("Ada")
    first, *_, last = [await error_of(promise) for _ in range(5)]
    assert notes(first) == notes(last)
    assert first is not last


async def test_a_stub_indexed_by_a_number_says_why_not(worker):
    with pytest.raises(TypeError, match="await the value, and index that"):
        worker.counter()[0]


async def test_C16_dup_of_a_promise_is_refused_with_advice(worker):
    promise = worker.counter()
    with pytest.raises(TypeError, match="reserved method") as caught:
        promise.dup()
    assert "await the promise, and dup() the stub" in notes(caught.value)
    await promise


class Secret(RpcTarget):
    _hidden = 1


async def test_T2_a_hidden_member_reads_like_a_missing_one(worker):
    async def look(stub):
        return str(await error_of(stub._hidden))

    text = await worker.call(look, Secret())
    assert text == 'The RPC receiver does not implement the method "_hidden".'


async def test_an_overloaded_error_crosses_with_its_numbers_and_says_that_it_is_retryable(
    sandbox, worker
):
    def refuse():
        raise errors.overloaded('the Worker "shop"', "shop", 8, 8)

    error = await error_of(worker.call(refuse))
    assert str(error) == (
        'the Worker "shop" is overloaded: 8 calls wait for a turn, of 8 that may. This call has not'
        " run; try again after a pause"
    )
    assert (error.worker, error.queued, error.limit, error.retryable) == ("shop", 8, 8, True)
