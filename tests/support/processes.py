"""What the tests of processes need: a Worker for one, and looks at the processes there are."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

WORKER = """
import asyncio, ctypes, faulthandler, itertools, logging, os, signal, sys, time, warnings
from workers import ReadableStream, Response, RpcTarget, WorkerEntrypoint

print("the code runs")


class Counter(RpcTarget):
    def __init__(self):
        self._value = 0

    def increment(self, amount=1):
        self._value += amount
        return self._value


class Default(WorkerEntrypoint):
    def pid(self):
        return os.getpid()

    def add(self, a, b):
        return a + b

    def counter(self):
        return Counter()

    def props(self):
        return self.ctx.props

    async def call(self, function, *args):
        return await function(*args)

    async def neighbour(self, name, *args):
        return await self.env.NEIGHBOUR[name](*args)

    async def wait(self, seconds=1000):
        await asyncio.sleep(seconds)

    def later(self, function):
        async def work():
            await asyncio.sleep(0.01)
            await kept("done")

        kept = function.dup()
        self.ctx.wait_until(work())

    def count(self, most):
        return (number for number in range(most))

    async def fetch(self, request):
        text = f"{request.method} {await request.text()}"
        return Response(text, headers={"x-pid": str(os.getpid())})

    def say(self, text, stream="stdout"):
        print(text, file=getattr(sys, stream))

    def warn(self):
        warnings.warn("look out")
        logging.getLogger("shop").error("out of %s", "tea")

    def exit(self, code):
        print("about to go", file=sys.stderr)
        os._exit(code)

    def last_words(self, value):
        asyncio.get_running_loop().call_later(0.05, os._exit, 0)
        return value

    def kill(self, number):
        os.kill(os.getpid(), number)

    def crash(self):
        faulthandler._sigsegv()

    def spin(self):
        while True:
            pass

    def hold(self):
        sum(itertools.repeat(0, 10**13))  # C code, which holds the lock of the interpreter

    def start(self):
        import subprocess
        return subprocess.Popen(["sleep", "1000"]).pid

    def grow(self, size):
        return len(bytearray(size))


class Admin(WorkerEntrypoint):
    def who(self):
        return "admin"
"""


def lives(pid) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = (
            Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
        )
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


apart = []
"""Each gives the processes of a cluster that all tests share, which are nobody's descendants."""


def descendants(pid=None) -> set[int]:
    """The processes that one has started, and those that these have started.

    The server of PostgreSQL is none of them: it is there for the tests of a whole run.
    """
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, numbers = path.read_text("ascii", "replace").rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.endswith("(postgres"):
            continue
        parent = int(numbers.split()[1])
        children.setdefault(parent, []).append(int(path.parent.name))
    without = set() if pid else {process for pids in apart for process in pids()}
    found: set[int] = set()
    left = [pid or os.getpid()]
    while left:
        for child in {*children.get(left.pop(), [])} - without:
            found.add(child)
            left.append(child)
    return {each for each in found if lives(each)}


async def calling(folder, placement, method):
    """A program whose Worker has started a process, and runs a method that does not return.

    Args:
        folder: where its text may stand.
        placement: of the Worker.
        method: which method.
    """
    script = folder / "program.py"
    script.write_text(
        f"""
import asyncio, rpclab
async def main():
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("worker", source={WORKER!r}, placement={placement!r})
        env = sandbox.bind(WORKER="worker")
        print(await env.WORKER.start(), flush=True)
        call = env.WORKER.{method}()
        print("called", flush=True)
        await call
asyncio.run(main())
"""
    )
    program = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE
    )
    while (line := await program.stdout.readline()) != b"called\n":
        assert line, "it has ended"
    return program
