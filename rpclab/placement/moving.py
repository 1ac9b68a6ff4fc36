"""A Worker moves while it is called: it starts elsewhere, is drained here, and goes on there.

Floor: sandbox.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpclab.declared import declared
from rpclab.diagnostics import places
from rpclab.errors import DisconnectedError, PlacementError
from rpclab.placement.declared import Nodes, placement_of
from rpclab.placement.deploying import begin, come_up, give_up, make_order, order_bindings, publish
from rpclab.placement.placed import PlacedWorker
from rpclab.workers.call_queue import Turns
from rpclab.workers.entrypoints import check_default
from rpclab.workers.modules import run_cell, run_source

if TYPE_CHECKING:
    from rpclab.placement.declared import Processes
    from rpclab.placement.engine import Record
    from rpclab.sandbox import Sandbox
    from rpclab.workers.env import Env
    from rpclab.workers.worker import Worker

_LOOK = 0.002  # seconds between two looks at the calls that are under way in this process


async def move(sandbox: Sandbox, name: str, placement: str | Processes, seconds: float) -> Worker:
    """See `Placing.move`."""
    placed = placement_of(placement)
    if _is_there(sandbox.worker(name), placed):
        return sandbox.worker(name)
    # A move that has begun goes on to its end, whoever waits for that: half of it, two places would
    # have the same Durable Objects. One that comes meanwhile waits.
    return await asyncio.shield(asyncio.ensure_future(_in_turn(sandbox, name, placed, seconds)))


async def _in_turn(sandbox: Sandbox, name: str, placed: Processes | None, seconds: float) -> Worker:
    async with sandbox.programs.turn(name):
        before = sandbox.worker(name)
        if _is_there(before, placed):
            return before
        worker = await _move(sandbox, before, placed, seconds)
        worker.config = before.config
        object.__setattr__(worker.env, "__secret__", before.env.__secret__)
        return worker


def _is_there(worker: Worker, placed: Processes | None) -> bool:
    return placed is None and not isinstance(worker, PlacedWorker)


async def _move(
    sandbox: Sandbox, before: Worker, placed: Processes | None, seconds: float
) -> Worker:
    name = before.name
    _check_storage(sandbox, before, placed)
    order, env = _order_of(sandbox, before)
    programs = sandbox.programs
    worker: Worker
    if placed is None:
        module, own_env = sandbox.prepare(name, **_options(sandbox, order))
        if order["awaits"]:
            await run_cell(module, order["source"], order["filename"])
        else:
            run_source(module, order["source"], order["filename"])
        check_default(name, module)
        with programs.holding(name):
            if isinstance(before, PlacedWorker):
                programs.put_aside(name, before)
            await _drain(sandbox, before, seconds)
            _check_present(sandbox, before)
            turns = None if order["turns"] is None else Turns(*order["turns"])
            worker = sandbox.publish(name, module, own_env, order_bindings(order), turns)
        return worker
    hosts = begin(sandbox, name, order, placed)
    await come_up(hosts)
    try:
        _check_present(sandbox, before)
    except PlacementError:
        give_up(hosts)
        raise
    with programs.holding(name):
        worker = publish(sandbox, name, env, order, placed, hosts, moves=True)
        await _drain(sandbox, before, seconds)
        if not isinstance(before, PlacedWorker):
            programs.let_objects_go(name, before)
    return worker


def _check_present(sandbox: Sandbox, before: Worker) -> None:
    """See that what moves is still what serves."""
    if sandbox.workers.get(before.name) is not before:
        raise PlacementError(
            f'"{before.name}" was deployed anew while it moved: that version serves, where it was'
            " placed"
        )


async def _drain(sandbox: Sandbox, before: Worker, seconds: float) -> None:
    """Wait until the calls to a version are over; those that are not in time are cut off."""
    if isinstance(before, PlacedWorker):
        hosts = [host for host in before.hosts if host is not None and host.why is None]
        until = asyncio.get_running_loop().time() + seconds
        # A call that is on its way comes by another socket than the word that the host is to leave.
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while any(map(sandbox.programs.is_asking, hosts)):  # noqa: ASYNC110 - as below
                    await asyncio.sleep(_LOOK)
        await asyncio.gather(*[host.drain(until, seconds) for host in hosts])
        return
    programs = sandbox.programs
    try:
        async with asyncio.timeout(seconds):
            while programs.answering_here(before.name):  # noqa: ASYNC110 - no event is set
                await asyncio.sleep(_LOOK)
    except TimeoutError:
        why = f"{before.name} has moved, and this call was not over after {seconds:g} s"
        programs.cut_off(before.name, DisconnectedError(why))


def _order_of(sandbox: Sandbox, before: Worker) -> tuple[Record, Env]:
    """Write down what is to run elsewhere, of what runs now."""
    if isinstance(before, PlacedWorker):
        return before.order, before.env
    found = next(each for each in declared(sandbox) if each.name == before.name)
    queue = before.queue
    return make_order(
        sandbox,
        before.name,
        **found.options,
        called=places.names.get(found.filename, ""),
        secrets=found.secrets,
        awaits=True,
        turns=None if queue is None else queue.turns,
    )


def _options(sandbox: Sandbox, order: Record) -> dict[str, Any]:
    """What `Sandbox.prepare` is told of a Worker that comes home."""
    held: dict[str, dict[str, Any]] = {"d1": {}, "kv": {}}
    for variable, (key, told) in order["held"].items():
        held[told["of"]][variable] = sandbox.programs.shared(key)
    return {
        "vars": order["vars"],
        "json": order["json"],
        "bind": order_bindings(order),
        "d1": {**order["d1"], **held["d1"]},
        "kv": held["kv"],
        "objects": {variable: "#".join(of) for variable, of in order["objects"].items()},
        "folder": order["folder"],
    }


def _check_storage(sandbox: Sandbox, worker: Worker, placed: Processes | None) -> None:
    """Refuse to leave behind what Durable Objects have stored."""
    now = worker.placement if isinstance(worker, PlacedWorker) else None
    before, after = _kept(sandbox, now), _kept(sandbox, placed)
    if not worker.objects or before == after:
        return
    advice = "give the sandbox a folder, Sandbox(storage=…)"
    if "with the sandbox" in before + after:
        advice = "let them store where all can, Sandbox(shared_objects=…)"
    raise PlacementError(
        f'the Durable Objects of "{worker.name}" keep what they store {before}, and there it would'
        f" be {after}, so it cannot come along: {advice}"
    )


def _kept(sandbox: Sandbox, placed: Processes | None) -> str:
    """Where Durable Objects store that are placed so."""
    if sandbox._shared_objects is not None:
        return "in the store that all share"
    if isinstance(placed, Nodes):
        return "with the sandbox"
    if sandbox.storage is not None:
        return "in the folder of the sandbox"
    return "in memory" if placed is None else "in a folder of the processes"
