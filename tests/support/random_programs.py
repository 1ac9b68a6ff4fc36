"""Random programs of calls, promises, tasks, callbacks and streams, which wait for nothing else.

A program is a list of steps, which the notebook runs, and Workers where a step is given to them. No
step looks at which of two things came first, so a program takes the same way on every run.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial

import rpclab
from rpclab import ReadableStream

WORKERS = "ABC"

SOURCE = """
import asyncio

from rpclab import RpcTarget
from support.random_programs import follow
from workers import ReadableStream, WorkerEntrypoint, WritableStream


class Node(RpcTarget):
    def __init__(self, env):
        self._env = env

    def next(self):
        return Node(self._env)

    async def later(self, steps):
        await follow(steps, self._env)
        return Node(self._env)

    def depth(self, value=0):
        return value


class Default(WorkerEntrypoint):
    def node(self):
        return Node(self.env)

    def same(self, value):
        return value

    def passed_on(self, worker):
        return self.env[worker].node()

    async def do(self, steps):
        await follow(steps, self.env)

    async def call(self, callback, times):
        for _ in range(times):
            await callback()

    async def call_at_once(self, callback, times):
        await asyncio.gather(*[callback() for _ in range(times)])

    def stream(self, *parts):
        async def chunks():
            for steps in parts:
                await follow(steps, self.env)
                yield b"chunk"

        return ReadableStream(chunks())

    async def sink(self, steps):
        async def take(chunk):
            await follow(steps, self.env)

        return WritableStream(take)

    async def read(self, stream):
        async for _ in stream:
            pass


"""

KINDS = {
    "await": 3, "chain": 2, "later": 1, "awaited": 2, "passed on": 2, "begin": 2, "use": 2,
    "with": 1, "end": 2, "do": 3, "gather": 1, "tasks": 2, "task": 1, "call": 1,
    "call at once": 1, "stream": 1, "sink": 1, "send": 1,
}  # fmt: skip


async def follow(steps, env):
    """Run the steps of a program."""
    promises = {}
    for step in steps:
        kind, worker, *more = step
        there = env[worker]
        if kind == "await":
            await there.same(1)
        elif kind == "chain":
            node = there.node()
            for _ in range(more[0]):
                node = node.next()
            await node.depth()
        elif kind == "later":
            await there.node().later(more[0]).next().depth()
        elif kind == "awaited":
            node = await there.node()
            await node.next().depth()
        elif kind == "passed on":
            await there.passed_on(more[0]).next().depth()
        elif kind == "begin":
            promises[more[0]] = there.node().depth(more[0])
        elif kind == "use":
            if more[0] in promises:
                await there.same(promises[more[0]])
        elif kind == "with":
            await there.same(env[more[0]].node().depth(1))
        elif kind == "end":
            if more[0] in promises:
                await promises[more[0]]
        elif kind == "do":
            await there.do(more[0])
        elif kind == "gather":
            await rpclab.gather(
                *[env[name].node().next().depth() for name in more[0]], there.do([])
            )
        elif kind == "tasks":
            async with asyncio.TaskGroup() as group:
                for part in more[0]:
                    group.create_task(follow(part, env))
        elif kind == "task":
            task = asyncio.create_task(follow(more[0], env))
            await follow(more[1], env)
            await task
        elif kind == "call":
            await there.call(partial(follow, more[0], env), more[1])
        elif kind == "call at once":
            await there.call_at_once(partial(follow, more[0], env), more[1])
        else:
            await _follow_stream(kind, there, more, env)


async def _follow_stream(kind, there, more, env):
    async def chunks():
        for part in more[0]:
            await follow(part, env)
            yield b"chunk"

    match kind:
        case "stream":
            async for _ in await there.stream(*more[0]):
                await follow(more[1], env)
        case "sink":
            async with await there.sink(more[1]) as sink:
                for part in more[0]:
                    await follow(part, env)
                    await sink.write(b"chunk")
        case "send":
            await there.read(ReadableStream(chunks()))


def write(seed):
    """Write a program; the same one for the same number."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return _steps(chance, chance.randint(1, 3), chance.randint(1, 5))


def starts_tasks(steps):
    """Whether a program starts a task and does something else before it waits for that."""
    return any(step == "task" or (isinstance(step, list) and starts_tasks(step)) for step in steps)


def _steps(chance, depth, most=3):
    return [_step(chance, depth) for _ in range(chance.randint(1, most))]


def _step(chance, depth):
    kind = chance.choices([*KINDS], [*KINDS.values()])[0]
    worker = chance.choice(WORKERS)

    def within(most=2):
        return _steps(chance, depth - 1, most) if depth > 0 else []

    def parts():
        return [within() for _ in range(chance.randint(1, 3))]

    def work():
        # It calls first, before it starts tasks: else nobody knows who has started those.
        return [["await", chance.choice(WORKERS)], *within()]

    match kind:
        case "await" | "awaited":
            return [kind, worker]
        case "chain":
            return [kind, worker, chance.randint(0, 3)]
        case "passed on" | "with":
            return [kind, worker, chance.choice(WORKERS)]
        case "begin" | "use" | "end":
            return [kind, worker, chance.randint(1, 2)]
        case "later" | "do":
            return [kind, worker, within()]
        case "gather":
            return [kind, worker, chance.choices(WORKERS, k=chance.randint(1, 3))]
        case "tasks":
            return [kind, worker, [work() for _ in range(chance.randint(1, 3))]]
        case "task":
            return [kind, worker, work(), within()]
        case "call" | "call at once":
            return [kind, worker, within(), chance.randint(1, 2)]
        case "send":
            return [kind, worker, parts()]
        case _:
            return [kind, worker, parts(), within()]


def deploy(sandbox):
    """Deploy the Workers, each of which reaches all; gives the bindings."""
    for name in WORKERS:
        others = {other: other.lower() for other in WORKERS}
        sandbox.deploy(name.lower(), source=SOURCE, bind=others)
    return sandbox.bind(**{name: name.lower() for name in WORKERS})
