"""Area V: cycles, shared references and nesting."""

from __future__ import annotations

import array
import collections
from random import Random

import numpy as np
import pytest
from support.world import failure

import rpclab
from rpclab.codecs.graphs import FROZENSET, TUPLE, Node, unflatten
from rpclab.codecs.sharing import is_shared


def cyclic_list():
    value = [1]
    value.append(value)
    return value, lambda back: back[1] is back


def cyclic_dict():
    value = {"n": 1}
    value["self"] = value
    return value, lambda back: back["self"] is back


def cyclic_tuple():
    value = ([], {})
    value[0].append(value)
    value[1]["t"] = value
    return value, lambda back: back[0][0] is back and back[1]["t"] is back


def cyclic_frozenset():
    error = ValueError("x")
    value = frozenset({(1, error)})
    error.holder = value
    return value, lambda back: next(iter(back))[1].holder is back


def cyclic_set():
    error = ValueError("x")
    value = {error}
    error.holder = [value]
    return value, lambda back: next(iter(back)).holder[0] is back


def cyclic_default_dict():
    value = collections.defaultdict(list)
    value["x"].append(value)
    return value, lambda back: back["x"][0] is back


def cyclic_error():
    error = ValueError([1], {})
    error.args[1]["error"] = error
    error.me = error
    return error, lambda back: back.args[1]["error"] is back and back.me is back


def error_of_itself():
    error = ValueError()
    error.args = (error, (error, "x"))
    return error, lambda back: back.args[0] is back and back.args[1][0] is back


def tuple_in_the_error_it_holds():
    error = ValueError()
    value = (error,)
    error.args = ((value,),)
    return value, lambda back: back[0].args[0][0] is back


def cyclic_causes():
    first, second = ValueError("1"), TypeError("2")
    first.__cause__, second.__cause__ = second, first
    return first, lambda back: back.__cause__.__cause__ is back


def cyclic_group():
    inner = ValueError("inner")
    group = ExceptionGroup("g", [inner])
    inner.group = group
    return group, lambda back: back.exceptions[0].group is back


CYCLES = [
    cyclic_list, cyclic_dict, cyclic_tuple, cyclic_frozenset, cyclic_set, cyclic_default_dict,
    cyclic_error, error_of_itself, tuple_in_the_error_it_holds, cyclic_causes, cyclic_group,
]  # fmt: skip


@pytest.mark.parametrize("make", CYCLES)
async def test_V9_cycles_survive(callee, make):
    value, holds = make()
    assert holds(value)
    back = await callee.echo(value)
    assert back is not value
    assert type(back) is (dict if isinstance(value, dict) else type(value))
    assert holds(back)
    assert holds((await callee.echo({"deep": [value]}))["deep"][0])


SHARED = [
    [1], {"a": 1}, {1}, ValueError("x"), array.array("b", [1]), np.arange(2), ([1],),
    collections.Counter("a"), ExceptionGroup("g", [ValueError()]),
]  # fmt: skip


@pytest.mark.parametrize("value", SHARED, ids=lambda value: type(value).__name__)
async def test_V9_one_object_mentioned_twice_is_one_object_there(callee, value):
    back = await callee.echo({"a": value, "b": [value, (value,)]})
    assert back["a"] is back["b"][0] is back["b"][1][0]
    back = await callee.echo([value, 1, value])
    assert back[0] is back[2]


@pytest.mark.parametrize("value", SHARED, ids=lambda value: type(value).__name__)
async def test_V9_also_across_arguments_and_keyword_arguments(callee, value):
    first, second = await callee.echo(value, value)
    assert first is second
    args, kwargs = await callee.echo(value, [value], k=value, m={"x": value})
    assert args[0] is args[1][0] is kwargs["k"] is kwargs["m"]["x"]


async def test_V9_equal_objects_stay_apart(callee):
    one, other = await callee.echo([[1], [1]])
    assert one is not other
    back = await callee.echo([one := [1], one, [1]])
    assert back[0] is back[1]
    assert back[0] is not back[2]


async def test_V9_what_an_error_shares_with_its_neighbours_stays_shared(callee):
    shared = [1]
    error = ValueError(shared)
    error.data = {"shared": shared}
    back, outside = await callee.echo([error, shared])
    assert back.args[0] is back.data["shared"] is outside


async def test_V9_the_callee_sees_the_sharing_and_a_result_keeps_it(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def same(self, one, other):
                return one["x"] is other
            def make(self):
                data = {"x": 1}
                return [data, data]
    """)
    shared = []
    assert await env.CALLEE.same({"x": shared}, other=shared) is True
    first, second = await env.CALLEE.make()
    assert first is second


async def test_V9_sharing_survives_beside_promised_arguments(callee):
    shared = [1]
    shared.append(shared)
    promise = callee.echo({"p": 1})
    first, second, given = await callee.echo(shared, [shared], promise)
    assert first is second[0] is first[1]
    assert given == {"p": 1}


async def test_V9_sharing_survives_in_a_result_whose_awaitables_are_awaited(world):
    env = world.deploy("""
        from collections import OrderedDict
        class Default(WorkerEntrypoint):
            def make(self):
                async def later(value):
                    await sleep(1)
                    return value
                result = [OrderedDict(a=later([1]))]
                once = later("once")
                result += [result, once, (once, {1}), {later("key"): 2}]
                return result
    """)
    result = await env.CALLEE.make()
    assert result[1] is result
    assert result[0] == {"a": [1]}
    assert result[2:] == ["once", ("once", {1}), {"key": 2}]


WRAPS = [
    (1, lambda x: [x]), (1, lambda x: (x,)), (1, lambda x: {"a": x}), (1, lambda x: frozenset([x])),
    (1, lambda x: collections.OrderedDict(a=x)), (2, lambda x: [(x, 1)]),
    (2, lambda x: {"a": [x]}), (1, ValueError),
]  # fmt: skip


def nested(wrap, depth, inmost):
    for _ in range(depth):
        inmost = wrap(inmost)
    return inmost


def depth_of(value):
    """How many containers and exceptions stand inside one another, along the first members."""
    depth = 0
    while isinstance(value, list | tuple | dict | frozenset | BaseException):
        inside = value.args if isinstance(value, BaseException) else value
        inside = value.values() if isinstance(value, dict) else inside
        value = next(iter(inside), None)
        depth += 1
    return depth


@pytest.mark.parametrize(("adds", "wrap"), WRAPS)
@pytest.mark.parametrize("shared", [False, True])
async def test_V9_values_nest_two_hundred_deep(callee, adds, wrap, shared):
    value = nested(wrap, 200 // adds, 1)
    assert depth_of(value) == 200
    back = await callee.echo([value, value] if shared else value)
    assert depth_of(back[1] if shared else back) == 200


@pytest.mark.parametrize(("adds", "wrap"), WRAPS)
@pytest.mark.parametrize("shared", [False, True])
async def test_V9_the_limit_of_nesting_is_named_when_a_value_goes_over_it(
    callee, adds, wrap, shared
):
    for depth in (260, 5_000):
        value = nested(wrap, depth // adds, 1)
        error = await failure(callee.echo([value, value] if shared else value))
        assert isinstance(error, rpclab.DataCloneError)
        assert str(error).startswith("the value nests deeper than 256 containers")
        assert error.remote is False
    assert await callee.echo("still there") == "still there"


async def test_V9_the_limit_of_nesting_can_be_set(world):
    sandbox = rpclab.Sandbox(limits=rpclab.Limits(nesting=3))
    sandbox.deploy("callee", source="def echo(x, env, ctx): return x")
    env = sandbox.bind(CALLEE="callee")
    assert await env.CALLEE.echo([[[1]]]) == [[[1]]]
    with pytest.raises(rpclab.DataCloneError, match="deeper than 3 containers"):
        await env.CALLEE.echo([[[[1]]]])
    with pytest.raises(rpclab.DataCloneError, match="deeper than 3 containers"):
        await env.CALLEE.echo([shared := [], shared, [[[1]]]])
    sandbox.close()


async def test_V9_a_long_chain_through_shared_tuples_survives(callee):
    chain = [()]
    for _ in range(2_000):
        chain.append((chain[-1],))
    back = await callee.echo(chain)
    assert all(back[n][0] is back[n - 1] for n in range(1, len(back)))


def test_V9_a_cycle_of_what_cannot_hold_itself_is_no_value():
    nodes = [[TUPLE, [Node(1)]], [FROZENSET, [Node(0)]]]
    with pytest.raises(ValueError, match="a value that cannot be made holds itself"):
        unflatten(nodes)


def grown(random, depth, spare):
    """A random value; what stands in `spare` may be used again."""
    if spare and random.random() < 0.1:
        return random.choice(spare)
    if depth == 0 or random.random() < 0.4:
        return random.choice([1, 2.5, "x", None, b"y", True])
    parts = [grown(random, depth - 1, spare) for _ in range(random.randint(0, 4))]
    value = random.choice([list, lambda items: dict(enumerate(items)), lambda _: ([], *parts)])(
        parts
    )
    if random.random() < 0.15:
        spare.append(value)
    return value


def stands_twice(values):
    """Whether a container stands twice in `values`; the obvious way."""
    seen, left = set(), list(values)
    while left:
        value = left.pop()
        if type(value) in (list, dict, tuple):
            if id(value) in seen:
                return True
            seen.add(id(value))
            left += value.values() if type(value) is dict else value
    return False


@pytest.mark.parametrize("held_elsewhere", [False, True])
def test_V9_what_stands_twice_is_found_whoever_else_holds_it(held_elsewhere):
    found = []
    for seed in range(3000):
        random, spare = Random(seed), []  # noqa: S311 - to grow values
        values = [grown(random, 4, spare) for _ in range(random.randint(1, 3))]
        lists = [value for value in values if type(value) is list]
        if lists and seed % 7 == 0:
            lists[0].append(random.choice(lists))
        if not held_elsewhere:
            del spare, lists
        found.append(is_shared(values, 100, []))
        assert found[-1] == stands_twice(values), seed
    assert 300 < sum(found) < 2700
