"""`sandbox.leaks()`: which stubs live, where they were made, what keeps them; and the warning."""

import asyncio
import gc
import inspect
import sys
import warnings
import weakref

import pytest

import rpclab
from rpclab.diagnostics import places

SOURCE = """
import asyncio
from workers import RpcTarget, WorkerEntrypoint

class Counter(RpcTarget):
    def increment(self, amount=1):
        return amount

class Room(RpcTarget):
    def __init__(self):
        self._listeners = []
    def join(self, listener):
        self._listeners.append(listener.dup())
    async def follow(self, listener):
        await asyncio.sleep(3600)

class Default(WorkerEntrypoint):
    async def new_counter(self):
        return Counter()
    async def new_room(self):
        return Room()
    async def use(self, counter, *, tidily):
        copy = counter.dup()
        if tidily:
            copy.dispose()
    async def hang(self, counter):
        with counter.dup():
            await asyncio.sleep(3600)
"""
MADE = "call in counter that made it"


@pytest.fixture
def env(sandbox):
    sandbox.deploy("counter", source=SOURCE)
    return sandbox.bind(COUNTER="counter")


@pytest.fixture
def warned():
    """A sandbox that warns, and what it has warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loud = rpclab.Sandbox(warn_undisposed=True)
        loud.deploy("counter", source=SOURCE)
        loud.bind(COUNTER="counter")
        yield loud, caught
        loud.close()


class Holder:
    def __init__(self, service):
        self.service = service


class Slotted:
    __slots__ = ("service",)


def line_here():
    return inspect.currentframe().f_back.f_lineno


async def settle():
    """Let all that is on its way arrive."""
    for _ in range(5):
        await asyncio.sleep(0)


def only(sandbox):
    """The one leak there is."""
    [leak] = sandbox.leaks()
    return leak


async def test_a_live_stub_is_named_with_its_place_owner_target_and_holder(sandbox, env):
    counter = await env.COUNTER.new_counter()
    line = line_here() - 1
    leak = only(sandbox)
    assert (leak.file, leak.cell, leak.line) == (__file__, None, line)
    assert leak.owner == ("notebook", "long")
    assert leak.target == ("counter", "Counter")
    assert leak.keeps == ("Counter", f"the {MADE}")
    assert leak.holders == (f"variable counter of {inspect.currentframe().f_code.co_qualname}",)
    counter.dispose()
    assert sandbox.leaks() == []


async def test_the_text_says_what_keeps_it_and_what_to_do(sandbox, env, monkeypatch):
    monkeypatch.setitem(places.names, __file__, "Cell In[3]")
    name = inspect.currentframe().f_code.co_qualname
    counter = await env.COUNTER.new_counter()
    line = line_here() - 1
    assert str(sandbox.leaks()) == (
        "1 stub is alive and not disposed:\n"
        f"a stub of Counter in counter, made at cell In[3], line {line}; it belongs to notebook\n"
        f"  kept by: variable counter of {name}; it keeps Counter and the {MADE}\n"
        "  next: dispose it with `with`, or counter.dispose()"
    )
    assert (only(sandbox).file, only(sandbox).cell) == (None, "In[3]")
    counter.dispose()
    assert str(sandbox.leaks()) == "every stub is disposed"


async def test_the_repr_of_a_leak_names_what_is_held(sandbox, env):
    stub = rpclab.RpcStub(lambda: None)
    assert repr(only(sandbox)).startswith("<Leak of the function ")
    stub.dispose()


HOLDERS = {
    "a list in variable thing of {here}": lambda stub: [stub],
    "a tuple in variable thing of {here}": lambda stub: (stub,),
    "a set in variable thing of {here}": lambda stub: {stub},
    "item 'a' of a dict in variable thing of {here}": lambda stub: {"a": stub},
    "a list in item 'a' of a dict in variable thing of {here}": lambda stub: {"a": [stub]},
    "attribute service of <Holder> in variable thing of {here}": Holder,
    "a list in attribute service of <Holder> in variable thing of {here}": (
        lambda stub: Holder([stub])
    ),
    "the member increment in variable thing of {here}": lambda stub: stub.increment,
    "the method dispose in variable thing of {here}": lambda stub: stub.dispose,
    "variable stub in the closure of <lambda>.<locals>.<lambda>": (lambda stub: lambda: stub),
    "a default of <lambda>.<locals>.<lambda>": lambda stub: lambda value=stub: value,
}


@pytest.mark.parametrize("words", HOLDERS)
async def test_each_kind_of_holder_has_its_words(sandbox, env, words):
    thing = HOLDERS[words](await env.COUNTER.new_counter())
    await settle()
    here = inspect.currentframe().f_code.co_qualname
    assert only(sandbox).holders == (words.format(here=here),)
    del thing


async def test_a_slot_holds_a_stub(sandbox, env):
    thing = Slotted()
    thing.service = await env.COUNTER.new_counter()
    here = inspect.currentframe().f_code.co_qualname
    words = f"attribute service of <Slotted> in variable thing of {here}"
    assert only(sandbox).holders == (words,)


async def test_a_class_holds_a_stub(sandbox, env):
    class Registry:
        pass

    Registry.service = await env.COUNTER.new_counter()
    words = f"attribute service of class {Registry.__qualname__}"
    assert only(sandbox).holders == (words,)
    Registry.service.dispose()


async def test_a_variable_of_a_module_holds_a_stub(sandbox, env, monkeypatch):
    stub = await env.COUNTER.new_counter()
    monkeypatch.setitem(globals(), "kept", stub)
    del stub
    await settle()
    assert only(sandbox).holders == (f"variable kept of module {__name__}",)
    assert str(only(sandbox)).endswith("or kept.dispose()")


async def test_what_a_notebook_keeps_of_a_cells_value_has_its_names(sandbox, env, monkeypatch):
    stub = await env.COUNTER.new_counter()
    notebook = vars(sys.modules["__main__"])
    for name, value in {"counter": stub, "_": stub, "_3": stub, "Out": {3: stub}}.items():
        monkeypatch.setitem(notebook, name, value)
    del stub, value
    await settle()
    assert only(sandbox).holders == ("variable counter", "Out[3]", "_", "_3")


async def test_a_traceback_holds_the_variables_of_what_failed(sandbox, env, monkeypatch):
    async def fail():
        stub = await env.COUNTER.new_counter()
        raise ValueError(stub.__class__)

    try:
        await fail()
    except ValueError as error:
        monkeypatch.setattr(sys, "last_value", error, raising=False)
    await settle()
    words = f"variable stub of {fail.__qualname__} in a traceback (sys.last_value)"
    assert only(sandbox).holders == (words,)
    assert str(only(sandbox)).endswith("or .dispose()")


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="frames give no copies of their variables")
async def test_variables_that_a_debugger_has_copied_are_variables(sandbox, env, monkeypatch):
    async def fail():
        stub = await env.COUNTER.new_counter()
        raise ValueError(stub.__class__)

    [error] = await asyncio.gather(fail(), return_exceptions=True)
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    copy = error.__traceback__.tb_frame.f_locals
    del error
    await settle()
    words = f"variable stub of {fail.__qualname__} in a traceback (sys.last_value)"
    assert words in only(sandbox).holders
    del copy


async def test_places_stand_in_the_order_of_their_numbers(sandbox, env, monkeypatch):
    kept = []
    for number in (10, 9):
        monkeypatch.setitem(places.names, __file__, f"Cell In[{number}]")
        kept.append(await env.COUNTER.new_counter())
    assert [leak.cell for leak in sandbox.leaks()] == ["In[9]", "In[10]"]
    rpclab.dispose(kept)


async def test_a_traceback_in_a_variable_is_told_from_the_last_one(sandbox, env):
    async def fail():
        stub = await env.COUNTER.new_counter()
        raise ValueError(stub.__class__)

    [error] = await asyncio.gather(fail(), return_exceptions=True)
    here = inspect.currentframe().f_code.co_qualname
    words = f"variable stub of {fail.__qualname__} in a traceback (variable error of {here})"
    assert only(sandbox).holders == (words,)
    del error


async def test_a_task_that_waits_holds_its_variables_and_blocks(sandbox, env):
    async def work():
        with await env.COUNTER.new_counter() as counter:
            await asyncio.sleep(3600)
            await counter.increment()

    task = asyncio.ensure_future(work())
    await settle()
    name = work.__qualname__
    assert only(sandbox).holders == (f"variable counter of {name}", f"a `with` block in {name}()")
    task.cancel()
    await settle()
    assert sandbox.leaks() == []


async def test_a_plain_function_that_runs_holds_its_variables(sandbox, env):
    def look(stub):
        return only(sandbox).holders

    name = inspect.currentframe().f_code.co_qualname
    counter = await env.COUNTER.new_counter()
    assert look(counter) == (f"variable counter of {name}", f"variable stub of {look.__qualname__}")


async def test_a_promise_holds_the_result_nobody_awaited(sandbox, env):
    promise = env.COUNTER.new_counter()
    line = line_here() - 1
    assert await promise.increment(5) == 5
    here = inspect.currentframe().f_code.co_qualname
    assert only(sandbox).holders == (f"the result of a promise in variable promise of {here}",)
    assert only(sandbox).line == line
    assert str(only(sandbox)).endswith("or promise.dispose()")
    promise.dispose()
    assert sandbox.leaks() == []


async def test_each_dup_is_a_stub_with_a_place_of_its_own(sandbox, env):
    counter = await env.COUNTER.new_counter()
    copy = counter.dup()
    line = line_here() - 1
    assert [leak.line for leak in sandbox.leaks()] == [line - 1, line]
    counter.dispose()
    assert only(sandbox).line == line
    copy.dispose()


async def test_a_local_stub_leads_to_ones_own_object(sandbox, env):
    stub = rpclab.RpcStub(settle)
    line = line_here() - 1
    leak = only(sandbox)
    assert leak.line == line
    assert leak.target == ("notebook", "the function settle")
    assert leak.keeps == ("the function settle",)
    stub.dispose()


async def test_a_stub_that_was_forwarded_leads_to_where_its_target_lives(sandbox, env):
    sandbox.deploy(
        "middle",
        source="""
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def get(self):
        return await self.env.COUNTER.new_counter()
""",
        bind={"COUNTER": "counter"},
    )
    sandbox.bind(MIDDLE="middle")
    counter = await env.MIDDLE.get()
    assert only(sandbox).target == ("counter", "Counter")
    counter.dispose()


async def test_bindings_and_plain_results_are_no_leaks(sandbox, env):
    binding = await env.COUNTER
    with await binding.new_counter() as counter:
        number = await counter.increment(2)
    assert number == 2
    assert sandbox.leaks() == []


async def test_a_parameter_belongs_to_the_call_that_has_not_returned(sandbox, env):
    room = await env.COUNTER.new_room()
    call = room.follow(settle)
    await settle()
    leak = next(leak for leak in sandbox.leaks() if leak.target.worker == "notebook")
    assert leak.owner == ("counter", "call")
    assert leak.holders == (
        "variable listener of Room.follow",
        "the call of Room.follow in counter, until it returns",
    )
    place = SOURCE.split("\n").index("    async def follow(self, listener):") + 1
    assert (leak.file, leak.line) == ("<worker counter>", place)
    assert str(leak).endswith("let that call return, which disposes its parameters")
    room.dispose()
    del call


async def test_what_a_target_keeps_leads_on_to_who_holds_the_target(sandbox, env):
    room = await env.COUNTER.new_room()
    await room.join(settle)
    leak = next(leak for leak in sandbox.leaks() if leak.target.worker == "notebook")
    assert leak.owner == ("counter", "call")
    assert leak.holders == ("a list in attribute _listeners of <Room>, a target of counter",)
    room.dispose()
    await settle()
    assert sandbox.leaks() == []


async def test_an_event_keeps_what_python_has_forgotten(sandbox, env):
    async with sandbox.event():
        env.COUNTER.new_counter()
        line = line_here() - 1
        await settle()
        leak = only(sandbox)
        assert leak.line == line
        assert leak.owner == ("notebook", "event")
        assert leak.holders == ("the event, until it ends",)
        assert "keep the result in a variable" in str(leak)
    assert sandbox.leaks() == []


async def test_looking_sends_nothing_and_changes_no_table(sandbox, env):
    kept = [await env.COUNTER.new_counter(), env.COUNTER.new_counter()]
    await settle()
    before = [sandbox.tables(), sandbox.tables("counter")]
    with sandbox.trace() as trace:
        assert len(sandbox.leaks()) == 2
        await settle()
    assert trace.messages == 0
    assert [sandbox.tables(), sandbox.tables("counter")] == before
    rpclab.dispose(kept)


async def test_the_report_is_the_same_each_time(sandbox, env):
    counters = [await env.COUNTER.new_counter() for _ in range(12)]
    kept = {f"item {n}": counter.dup() for n, counter in enumerate(counters)}
    assert str(sandbox.leaks()) == str(sandbox.leaks())
    assert len(sandbox.leaks()) == 24
    rpclab.dispose([counters, kept])


async def test_looking_leaves_no_reference_behind(sandbox, env):
    counter = await env.COUNTER.new_counter()
    alive = weakref.ref(counter)
    sandbox.leaks()
    del counter
    await settle()
    assert alive() is None


async def test_looking_leaves_a_dict_from_locals_alone(sandbox, env):
    counter = await env.COUNTER.new_counter()
    names = locals()
    sandbox.leaks()
    assert names["counter"] is counter
    counter.dispose()


async def test_looking_runs_no_code_of_what_it_meets(sandbox, env):
    class Touchy:
        def __getattr__(self, name):
            raise AssertionError(name)

        __eq__ = __hash__ = __repr__ = __bool__ = __len__ = __getattr__

        @property
        def __class__(self):
            raise AssertionError("__class__")

    thing = Touchy()
    thing.counter = await env.COUNTER.new_counter()
    here = inspect.currentframe().f_code.co_qualname
    words = f"attribute counter of <{Touchy.__qualname__}> in variable thing of {here}"
    assert only(sandbox).holders == (words,)
    thing.counter.dispose()


async def test_without_recording_the_place_is_unknown_and_the_text_says_why():
    async with rpclab.Sandbox() as quiet:
        quiet.deploy("counter", source=SOURCE)
        counter = await quiet.bind(COUNTER="counter").COUNTER.new_counter()
        assert (only(quiet).file, only(quiet).line) == (None, None)
        assert "Sandbox(record=True) notes places" in str(only(quiet))
        counter.dispose()


async def test_the_leaks_of_another_sandbox_are_not_mine(sandbox, env):
    async with rpclab.Sandbox() as other:
        counter = await env.COUNTER.new_counter()
        assert other.leaks() == []
        counter.dispose()


async def test_a_stub_whose_last_name_is_gone_is_released_without_another_message(sandbox, env):
    counter = await env.COUNTER.new_counter()
    held = len(sandbox.tables().imports)
    del counter
    await settle()
    assert len(sandbox.tables().imports) == held - 1


async def test_an_argument_is_not_remembered_after_it_was_sent(sandbox, env):
    counter = await env.COUNTER.new_counter()
    await env.COUNTER.use(counter, tidily=True)
    held = len(sandbox.tables().imports)
    del counter
    await settle()
    assert len(sandbox.tables().imports) == held - 1


# The warning at the end of a context.


async def test_O12_the_end_of_an_event_warns_of_what_its_code_left(warned):
    loud, caught = warned
    async with loud.event() as env:
        counter = await env.COUNTER.new_counter()
        line = line_here() - 1
        await settle()
        assert caught == []
    [warning] = caught
    assert warning.category is rpclab.UndisposedStubWarning
    assert (warning.filename, warning.lineno) == (__file__, line)
    assert str(warning.message) == (
        "an event of notebook ended with a stub that its code did not dispose:\n"
        f"  a stub of Counter in counter, made at {__file__}, line {line}\n"
        "dispose each with `with`, or .dispose()"
    )
    del counter


async def test_one_warning_names_every_stub(warned):
    loud, caught = warned
    async with loud.event() as env:
        counter = await env.COUNTER.new_counter()
        copy = counter.dup()
        env.COUNTER.new_counter()
        await settle()
    [warning] = caught
    assert "ended with 3 stubs" in str(warning.message)
    assert str(warning.message).count(f"made at {__file__}, line ") == 3
    del copy


async def test_no_warning_when_everything_is_disposed(warned):
    loud, caught = warned
    async with loud.event() as env:
        with await env.COUNTER.new_counter() as counter:
            await env.COUNTER.use(counter, tidily=True)
    await settle()
    assert caught == []


async def test_O7_a_parameter_is_not_warned_of_and_its_dup_is(warned):
    loud, caught = warned
    with await loud.env.COUNTER.new_counter() as counter:
        await loud.env.COUNTER.use(counter, tidily=False)
    [warning] = caught
    assert str(warning.message).startswith("a call in counter ended with a stub that its code")
    assert warning.filename == "<worker counter>"


async def test_O10_a_stub_that_was_returned_is_not_warned_of(warned):
    loud, caught = warned
    (await loud.env.COUNTER.new_counter()).dispose()
    await settle()
    assert caught == []


async def test_C26_a_call_that_was_cut_off_is_not_blamed(warned):
    loud, caught = warned
    counter = await loud.env.COUNTER.new_counter()
    call = asyncio.ensure_future(rpclab.gather(loud.env.COUNTER.hang(counter)))
    await settle()
    call.cancel()
    await settle()
    assert caught == []
    counter.dispose()


async def test_O18_a_binding_in_a_result_is_not_warned_of(warned):
    loud, caught = warned
    source = """
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def get(self):
        return self.env.COUNTER
"""
    loud.deploy("broker", source=source, bind={"COUNTER": "counter"})
    loud.bind(BROKER="broker")
    async with loud.event() as env:
        binding = await env.BROKER.get()
        await settle()
    assert caught == []
    del binding


async def test_a_long_context_and_a_finalizer_never_warn(warned):
    loud, caught = warned
    counter = await loud.env.COUNTER.new_counter()
    del counter
    gc.collect()
    await settle()
    loud.close()
    assert caught == []


async def test_where_warnings_are_errors_the_block_raises_and_the_context_has_ended(warned):
    loud, _ = warned
    warnings.simplefilter("error", rpclab.UndisposedStubWarning)
    before = loud.tables()
    with pytest.raises(rpclab.UndisposedStubWarning):
        async with loud.event() as env:
            counter = await env.COUNTER.new_counter()
    await settle()
    assert loud.tables() == before
    del counter


@pytest.mark.expects_reports
async def test_where_warnings_are_errors_a_call_is_answered_all_the_same(warned, caplog):
    loud, _ = warned
    warnings.simplefilter("error", rpclab.UndisposedStubWarning)
    with await loud.env.COUNTER.new_counter() as counter:
        await loud.env.COUNTER.use(counter, tidily=False)
        assert await counter.increment(3) == 3
    assert "the end of a call in counter failed: UndisposedStubWarning" in caplog.text


async def test_by_default_python_shows_the_warning_that_was_asked_for():
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.simplefilter("ignore", ResourceWarning)
        async with rpclab.Sandbox(warn_undisposed=True) as loud:
            loud.deploy("counter", source=SOURCE)
            loud.bind(COUNTER="counter")
            async with loud.event() as env:
                env.COUNTER.new_counter()
                await settle()
    assert [warning.category for warning in caught] == [rpclab.UndisposedStubWarning]


async def test_without_the_option_nothing_warns(sandbox, env):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with sandbox.event():
            env.COUNTER.new_counter()
            await settle()
    assert sandbox.leaks() == []
