"""The button "interrupt" ends the cell, whatever keeps it. All cells here would run for ever."""

import pytest

WORKERS = {
    "spinner": """\
%%worker spinner
import asyncio
from workers import DurableObject, ReadableStream, RpcTarget, WorkerEntrypoint, WritableStream

def spin(*_):
    print("runs")
    while True:
        try:
            1 + 1
        except Exception:
            pass

async def spin_soon():
    await asyncio.sleep(0)
    spin()

class Target(RpcTarget):
    def dispose(self):
        spin()

class Built(WorkerEntrypoint):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        spin()

    def hello(self):
        return "hello"

class Default(WorkerEntrypoint):
    def spin(self):
        spin()

    async def add(self, a, b):
        await asyncio.sleep(0.1)
        return a + b

    async def in_a_group(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(spin_soon())
        return "finished"

    async def in_a_gather(self):
        await asyncio.gather(spin_soon(), return_exceptions=True)
        return "finished"

    async def in_a_task_it_waits_for_otherwise(self):
        task = asyncio.create_task(spin_soon())
        await asyncio.wait([task])
        return "finished"

    async def in_a_task_it_forgets(self):
        asyncio.create_task(spin_soon())
        await asyncio.Event().wait()

    async def in_a_thread_that_calls_back(self):
        asyncio.get_running_loop().call_soon(spin)
        await asyncio.Event().wait()

    async def later(self):
        self.ctx.wait_until(spin_soon())
        return "answered"

    async def later_and_wait(self):
        self.ctx.wait_until(spin_soon())
        await asyncio.sleep(0.01)
        return "finished"

    def stream(self):
        def endless():
            yield b"first"
            spin()
        return ReadableStream(endless())

    def async_stream(self):
        async def endless():
            yield b"first"
            await asyncio.sleep(0)
            spin()
        return ReadableStream(endless())

    def generator(self):
        yield b"first"
        spin()

    def stream_with_a_cancel(self):
        return ReadableStream((b"x" for _ in iter(int, 1)), cancel=spin)

    def sink(self):
        return WritableStream(write=spin)

    def target(self):
        return Target()

    async def call(self, function):
        try:
            return await function()
        except Exception:
            return "finished"

    async def hang(self):
        await asyncio.Event().wait()

class Room(DurableObject):
    async def blocked(self):
        await self.ctx.block_concurrency_while(spin_soon)
        return "finished"

    async def in_a_transaction(self):
        try:
            self.ctx.storage.transaction_sync(spin)
        except Exception:
            pass
        return "finished"

    async def wake(self):
        await self.ctx.storage.set_alarm(1)
        await asyncio.Event().wait()

    async def alarm(self, *_):
        spin()

class Made(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        spin()

    def hello(self):
        return "hello"
""",
    "middle": """\
%%worker middle --bind SPINNER=spinner
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def careless(self):
        try:
            await self.env.SPINNER.spin()
        except Exception:
            return "finished"

    async def gathers(self):
        await asyncio.gather(self.env.SPINNER.spin(), return_exceptions=True)
        return "finished"

    async def reads(self):
        try:
            async for chunk in await self.env.SPINNER.stream():
                pass
        except Exception:
            pass
        return "finished"
""",
}


@pytest.fixture
def spinning(kernel):
    _declare(kernel)
    yield kernel
    assert kernel.value("await asyncio.sleep(0)\n1 + 1") == "2"


def _declare(kernel):
    for cell in WORKERS.values():
        assert kernel.run(cell).error is None
    kernel.run(
        "%bind W=spinner M=middle BUILT=spinner#Built"
        " --object ROOM=Room@spinner --object MADE=Made@spinner\nimport asyncio, rpclab"
    )


READ = "async for chunk in await env.W.{}(): pass"

CELLS = {
    "group": "await env.W.in_a_group()",
    "gather": "await env.W.in_a_gather()",
    "wait": "await env.W.in_a_task_it_waits_for_otherwise()",
    "forgotten": "await env.W.in_a_task_it_forgets()",
    "callback": "await env.W.in_a_thread_that_calls_back()",
    "wait_until": "await env.W.later()\nawait asyncio.sleep(0.01)",
    "wait_until and wait": "await env.W.later_and_wait()",
    "stream": READ.format("stream"),
    "async stream": READ.format("async_stream"),
    "generator": READ.format("generator"),
    "read": "stream = await env.W.stream()\nawait stream.read_exactly(6)",
    "cancel": (
        "stream = await env.W.stream_with_a_cancel()\nawait stream.cancel('enough')\n"
        "await env.W.hang()"
    ),
    "sink": "sink = await env.W.sink()\nawait sink.write(b'x')\nawait sink.close()",
    "dispose": "target = await env.W.target()\ntarget.dispose()\nawait env.W.hang()",
    "constructor": "await env.BUILT.hello()",
    "callback of the notebook": (
        "def spin():\n    print('runs')\n    while True: pass\nawait env.W.call(spin)"
    ),
    "careless": "await env.M.careless()",
    "gathers": "await env.M.gathers()",
    "reads": "await env.M.reads()",
    "careless cell": "try:\n    await env.W.spin()\nexcept Exception: pass",
    "group of the notebook": (
        "async def spin():\n    print('runs')\n    while True: pass\n"
        "async with asyncio.TaskGroup() as group: group.create_task(spin())"
    ),
    "gather of the notebook": "await asyncio.gather(env.W.spin(), return_exceptions=True)",
    "blocked": "await env.ROOM.get_by_name('a').blocked()",
    "transaction": "await env.ROOM.get_by_name('b').in_a_transaction()",
    "object constructor": "await env.MADE.get_by_name('d').hello()",
    "alarm": "await env.ROOM.get_by_name('c').wake()",
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_one_stop_ends_the_cell(spinning, cell):
    _stop(spinning, cell)


def test_one_stop_ends_a_run_in_a_sync_cell(patched_kernel):
    _declare(patched_kernel)
    _stop(patched_kernel, "rpclab.run(env.M.careless())")
    assert patched_kernel.value("await asyncio.sleep(0)\n1 + 1") == "2"


def _stop(kernel, cell):
    request = kernel.start(f"{cell}\nprint('went on')")
    kernel.wait(request, lambda output: "runs" in output.stdout)
    output = kernel.interrupt(request)
    assert output.error is not None
    assert "went on" not in output.stdout


def test_the_error_says_what_was_waited_for_and_where_the_worker_was(spinning):
    request = spinning.start("await env.M.careless()")
    spinning.wait(request, lambda output: "runs" in output.stdout)
    output = spinning.interrupt(request)
    assert output.error_name == "KeyboardInterrupt"
    assert "middle.careless(), made at Cell In[" in output.error
    assert "RpcError: the method was left by KeyboardInterrupt" in output.error
    assert "raised in the Worker at\n  Cell In[" in output.error
    assert "in Default.spin" in output.error


def test_what_others_wait_for_goes_on(spinning):
    spinning.run("other = env.W.add(1, 2)")
    request = spinning.start("await env.W.in_a_group()")
    spinning.wait(request, lambda output: "runs" in output.stdout)
    spinning.interrupt(request)
    assert spinning.value("await other") == "3"


def test_a_call_whose_task_was_interrupted_fails(spinning):
    request = spinning.start("p = env.W.in_a_group()")
    spinning.wait(request, lambda output: output.idle and "runs" in output.stdout)
    spinning.reply_to(request)
    spinning.manager.interrupt_kernel()
    assert "RpcError: the method was left by KeyboardInterrupt" in spinning.run("await p").error


def test_work_that_was_interrupted_is_reported_as_such(spinning):
    request = spinning.start("await env.W.later_and_wait()")
    spinning.wait(request, lambda output: "runs" in output.stdout)
    spinning.interrupt(request)
    output = spinning.wait(request, lambda output: "wait_until" in output.stderr)
    assert "work that spinner gave to wait_until was interrupted (Cell In[" in output.stderr


def test_stop_works_on_a_virtual_clock(spinning):
    spinning.run("%rpclab reset")
    spinning.run("%rpclab clock virtual")
    spinning.run(WORKERS["spinner"])
    spinning.run("%bind W=spinner")
    for cell in ("group", "stream", "wait_until and wait", "forgotten"):
        request = spinning.start(f"{CELLS[cell]}\nprint('went on')")
        spinning.wait(request, lambda output: "runs" in output.stdout)
        assert spinning.interrupt(request).error is not None
    spinning.run("%rpclab reset")
    spinning.run("%rpclab clock real")
