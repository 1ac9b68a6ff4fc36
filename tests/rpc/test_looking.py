"""Looking at what is remote: no display, conversion or copy of it sends a message."""

import asyncio
import collections
import collections.abc
import contextlib
import copy
import dataclasses
import enum
import inspect
import io
import json
import logging
import numbers
import operator
import os
import pickle
import pprint
import pydoc
import reprlib
import types
import typing
import weakref
from unittest import mock

import pytest
from IPython.core.oinspect import Inspector
from IPython.lib.pretty import pretty

import rpclab
from rpclab.core.session import Session

SOURCE = '''
import functools

from workers import DurableObject, ReadableStream, RpcTarget, WorkerEntrypoint, WritableStream

ran = []


class Cart(RpcTarget):
    """What somebody is going to buy."""

    def add(self, item: str, *, count: int = 1, **options: object) -> "Cart":
        """Put something in."""
        return self

    @property
    def total(self) -> float:
        """What it costs."""
        ran.append("total")
        return 1.0

    @functools.cached_property
    def lines(self):
        """The lines of the bill."""
        ran.append("lines")

    def keys(self):
        return ["a"]

    def getdoc(self):
        return "remote"

    def _private(self):
        pass

    def plain(self, a, b=(), /, *c, d={}):
        pass


class Default(WorkerEntrypoint):
    """The shop."""

    def cart(self) -> Cart:
        return Cart()

    def keys(self):
        return ["a"]

    def fail(self):
        raise ValueError("no")

    def read(self):
        return ReadableStream(["a"])

    def write(self):
        return WritableStream(write=print)

    def function(self):
        def add(a: int, b: int = 2) -> int:
            """Add two."""
            return a + b
        return add

    def seen(self):
        return ran


class Room(DurableObject):
    """A room."""

    def enter(self, name: str) -> None:
        """Come in."""


def hidden():
    pass
'''


@pytest.fixture
def env(sandbox):
    sandbox.deploy("shop", source=SOURCE)
    return sandbox.bind(SHOP="shop", ROOMS=rpclab.objects("shop#Room"))


class Sent:
    """Counts the messages of a sandbox, those that wait to leave too."""

    def __init__(self, sandbox, monkeypatch):
        self.count = 0
        original = Session.send_frame

        def send_frame(session, frame):
            self.count += 1
            return original(session, frame)

        monkeypatch.setattr(Session, "send_frame", send_frame)


def show_with_rich_like_canaries(value):
    # What rich, pydevd and variable inspectors ask of anything.
    for name in ("awehflow", "__rich__", "__rich_repr__", "_fields", "_asdict", "shape", "dtype",
                 "nbytes", "__array__", "__dataclass_fields__", "__attrs_attrs__", "__html__",
                 "_ipython_display_", "_repr_html_", "_ipython_canary_method_should_not_exist_",
                 "__len__", "__call__", "__fspath__", "__index__", "__buffer__"):  # fmt: skip
        with contextlib.suppress(AttributeError):
            getattr(value, name)


def every_attribute(value):
    return [getattr(value, name) for name in dir(value)]


def help_of(value):
    return pydoc.render_doc(value)


def pinfo(value):
    return [Inspector().info(value, "x", detail_level=level) for level in (0, 1)]


def logged(value):
    logging.getLogger("other").warning("%s", value)
    logging.getLogger("other").warning("%(a)s %s", value)


def matched(value):
    match value:
        case {"a": _} | [_, _] | int() | str():
            return True
    return False


@dataclasses.dataclass
class Holder:
    value: object


@typing.runtime_checkable
class HasClose(typing.Protocol):
    def close(self): ...


LOOKS = {
    "repr": repr,
    "str": str,
    "format": format,
    "f-string": lambda value: f"{value} {value!r:>10}",
    "percent": lambda value: "%s" % value,  # noqa: UP031
    "percent mapping": lambda value: "%(a)s" % value,  # noqa: UP031
    "format_map": "{a}".format_map,
    "print": lambda value: print(value, file=io.StringIO()),
    "bool": bool,
    "not": operator.not_,
    "hash": hash,
    "eq": lambda value: (value == copy, value == 1, value != [], value in [1, 2]),
    "less": lambda value: value < 1,
    "id": id,
    "type": type,
    "dir": dir,
    "vars": vars,
    "every attribute": every_attribute,
    "getmembers": inspect.getmembers,
    "getmembers_static": inspect.getmembers_static,
    "dict": dict,
    "dict update": {}.update,
    "**": lambda value: {**value},
    "call **": lambda value: dict(**value),
    "|": lambda value: {} | value,
    "|=": lambda value: operator.ior({}, value),
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "UserDict": collections.UserDict,
    "ChainMap": lambda value: dict(collections.ChainMap(value)),
    "MappingProxyType": types.MappingProxyType,
    "list": list,
    "tuple": tuple,
    "set": set,
    "*": lambda value: [*value],
    "unpack": lambda value: operator.setitem([0, 1], slice(None), value),
    "call *": lambda value: max(*value),
    "enumerate": enumerate,
    "zip": zip,
    "map": lambda value: map(str, value),
    "sorted": sorted,
    "reversed": reversed,
    "sum": sum,
    "max": max,
    "any": any,
    "join": "".join,
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "round": round,
    "abs": abs,
    "len": len,
    "length_hint": operator.length_hint,
    "in": lambda value: 1 in value,
    "iter": iter,
    "next": next,
    "add": lambda value: value + 1,
    "json": json.dumps,
    "json of a list": lambda value: json.dumps([value]),
    "json default": lambda value: json.dumps({"a": value}, default=str),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy of a list": lambda value: copy.deepcopy([value]),
    "pickle": pickle.dumps,
    "pickle of a dict": lambda value: pickle.dumps({"a": value}),
    "pprint": pprint.pformat,
    "pprint of a list": lambda value: pprint.pformat([value] * 30, width=20),
    "reprlib": reprlib.repr,
    "pretty": pretty,
    "pydoc": help_of,
    "getdoc": inspect.getdoc,
    "signature": inspect.signature,
    "unwrap": inspect.unwrap,
    "getsource": inspect.getsource,
    "getmodule": inspect.getmodule,
    "IPython's ?": pinfo,
    "isawaitable": inspect.isawaitable,
    "iscoroutinefunction": asyncio.iscoroutinefunction,
    "isfuture": asyncio.isfuture,
    "callable": callable,
    "isinstance": lambda value: [
        isinstance(value, getattr(collections.abc, name)) for name in collections.abc.__all__
    ],
    "isinstance of numbers": lambda value: isinstance(value, numbers.Number),
    "isinstance of a protocol": lambda value: isinstance(value, HasClose),
    "isinstance of typing": lambda value: isinstance(value, typing.SupportsInt),
    "fspath": os.fspath,
    "dataclass": lambda value: repr(Holder(value)),
    "asdict": lambda value: dataclasses.asdict(Holder(value)),
    "is_dataclass": dataclasses.is_dataclass,
    "enum": lambda value: enum.Enum("E", {"A": value}),
    "autospec": mock.create_autospec,
    "mock": lambda value: mock.MagicMock(spec=value),
    "canaries": show_with_rich_like_canaries,
    "logging": logged,
    "match": matched,
    "weakref": weakref.ref,
    "exception": lambda value: str(ValueError(value)),
    "get_type_hints": typing.get_type_hints,
    "set attribute": lambda value: setattr(value, "fresh", 1),
    "delete attribute": lambda value: delattr(value, "fresh"),
    "set item": lambda value: operator.setitem(value, "a", 1),
    "delete item": lambda value: operator.delitem(value, "a"),
    "get item": lambda value: (value["a"], value[0]),
}

THINGS = {
    "stub": lambda env: env.SHOP.cart(),
    "function": lambda env: env.SHOP.function(),
    "binding": lambda env: env.SHOP,
    "object": lambda env: env.ROOMS.get_by_name("a"),
    "readable": lambda env: env.SHOP.read(),
    "writable": lambda env: env.SHOP.write(),
}


async def kinds_of(env):
    found = {}
    for name, make in THINGS.items():
        made = make(env)
        found[name] = await made if hasattr(type(made), "__await__") else made
    found["namespace"] = env.ROOMS
    found["env"] = env
    pending = env.SHOP.cart()
    found["pending promise"] = pending
    settled = env.SHOP.cart()
    await settled
    found["settled promise"] = settled
    failed = env.SHOP.fail()
    with contextlib.suppress(ValueError):
        await failed
    found["failed promise"] = failed
    found["property"] = found["stub"].total
    found["method"] = env.SHOP.cart
    found["property of a promise"] = settled.lines
    found["own stub"] = rpclab.RpcStub(lambda: 1)
    disposed = await env.SHOP.cart()
    disposed.dispose()
    await asyncio.sleep(0)
    found["disposed stub"] = disposed
    return found


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
async def test_looking_sends_nothing(sandbox, env, look, monkeypatch):
    things = await kinds_of(env)
    await asyncio.sleep(0.1)
    sent = Sent(sandbox, monkeypatch)
    for name, thing in things.items():
        with contextlib.suppress(Exception):
            look(thing)
        assert sent.count == 0, name
    await asyncio.sleep(0.1)
    assert sent.count == 0
    monkeypatch.undo()
    assert await env.SHOP.seen() == []


async def test_a_dict_of_something_remote_is_refused_with_advice(env):
    stub = await env.SHOP.cart()
    for of in (stub, env.SHOP, env.SHOP.cart(), env.SHOP.cart):
        for make in (dict, lambda value: {**value}, lambda value: dict(**value)):
            with pytest.raises(TypeError, match=r"no mapping: await the call that gives a dict"):
                make(of)


async def test_methods_called_keys_and_getdoc_are_remote_ones(env):
    stub = await env.SHOP.cart()
    assert await stub.keys() == ["a"]
    assert await stub["keys"]() == ["a"]
    assert await env.SHOP.keys() == ["a"]
    assert await env.SHOP.cart().keys() == ["a"]
    keys = stub.keys
    assert await asyncio.gather(keys(), keys()) == [["a"], ["a"]]
    assert await getattr(stub, "ke" + "ys")() == ["a"]
    assert [await call() for call in (stub.keys, env.SHOP.keys)] == [["a"], ["a"]]
    assert await stub.getdoc() == "remote"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
async def test_nothing_remote_and_no_stream_is_copied(env, copied):
    for name, thing in (await kinds_of(env)).items():
        if name != "env":
            with pytest.raises(TypeError, match="cannot be pickled or copied"):
                copied(thing)


# What is known of the other side.


async def test_dir_lists_what_can_be_reached_where_that_runs_here(env):
    stub = await env.SHOP.cart()
    assert dir(stub) == [
        "add", "dispose", "dup", "getdoc", "keys", "lines", "on_broken", "plain", "total",
    ]  # fmt: skip
    promise = env.SHOP.cart()
    assert dir(promise) == ["dispose", "map", "on_broken"]
    await promise
    assert dir(promise) == [
        "add", "dispose", "getdoc", "keys", "lines", "map", "on_broken", "plain", "total",
    ]  # fmt: skip
    assert {"cart", "fetch", "function"} < set(dir(env.SHOP))
    assert dir(env.ROOMS.get_by_name("a")) == ["enter", "fetch", "id", "name"]
    assert dir(stub.total) == ["map"]


async def test_dir_follows_stubs_that_were_passed_on(sandbox, env):
    sandbox.deploy(
        "middle",
        source="from workers import WorkerEntrypoint\n"
        "class Default(WorkerEntrypoint):\n"
        "    async def cart(self):\n"
        "        return await self.env.SHOP.cart()\n",
        bind={"SHOP": "shop"},
    )
    stub = await sandbox.bind(MIDDLE="middle").MIDDLE.cart()
    assert "total" in dir(stub)


async def test_dir_of_a_worker_that_is_not_there_is_what_is_local(sandbox):
    env = sandbox.bind(NONE="none")
    assert dir(env.NONE) == ["fetch"]


async def test_a_method_has_signature_and_docstring_of_the_class_there(env):
    stub = await env.SHOP.cart()
    assert str(inspect.signature(stub.add)) == (
        "(item: str, *, count: int = 1, **options: object) -> Cart"
    )
    assert inspect.getdoc(stub.add) == "Put something in."
    assert inspect.getdoc(stub.total) == "What it costs."
    assert inspect.getdoc(stub) == "What somebody is going to buy."
    assert inspect.getdoc(env.SHOP) == "The shop."
    assert str(inspect.signature(env.ROOMS.get_by_name("a").enter)) == "(name: str) -> None"
    assert str(inspect.signature(await env.SHOP.function())) == "(a: int, b: int = 2) -> int"
    assert str(inspect.signature(stub.plain)) == "(a, b=(), /, *c, d=…)"


async def test_what_is_not_there_has_the_docstring_of_its_kind(env):
    stub = await env.SHOP.cart()
    assert inspect.getdoc(stub.nothing).startswith("A member that was named")
    assert inspect.getdoc(env.SHOP.cart()).startswith("The result of a call")
    assert rpclab.RpcStub.__doc__.startswith("A stub of a target")


async def test_defaults_are_not_asked_how_they_look(sandbox):
    sandbox.deploy(
        "w",
        source="from workers import WorkerEntrypoint\n"
        "class Loud:\n"
        "    def __repr__(self): raise SystemExit\n"
        "class Meta(type):\n"
        "    def __getattribute__(cls, name): raise SystemExit\n"
        "    def __repr__(cls): raise SystemExit\n"
        "class Kind(metaclass=Meta): pass\n"
        "class Default(WorkerEntrypoint):\n"
        "    def f(self, a=Loud(), b: Loud() = 1, c: Kind = (Loud(),)) -> list[Kind]: pass\n",
    )
    env = sandbox.bind(W="w")
    assert str(inspect.signature(env.W.f)) == "(a=…, b: … = 1, c: Kind = …) -> list[Kind]"


@pytest.mark.parametrize(
    "annotation",
    [
        "int", "Kind", "Kind | None", "list[Kind]", "dict[str, tuple[Kind, ...]]", "Any",
        "Callable[[int, Kind], str]", "Literal['a', 1]", "Awaitable[Kind]", "List[int]", "None",
    ],
)  # fmt: skip
async def test_annotations_are_shown_as_written(sandbox, annotation):
    sandbox.deploy(
        "w",
        source="from collections.abc import Awaitable\n"
        "from typing import Any, Callable, List, Literal\n"
        "from workers import RpcTarget, WorkerEntrypoint\n"
        "class Kind(RpcTarget): pass\n"
        f"class Default(WorkerEntrypoint):\n    def f(self, a: {annotation}): pass\n",
    )
    env = sandbox.bind(W="w")
    assert str(inspect.signature(env.W.f)) == f"(a: {annotation})"


async def test_a_function_of_a_module_takes_one_argument(sandbox):
    sandbox.deploy("w", source="def greet(name: str, env, ctx) -> str:\n    'Say hello.'\n")
    env = sandbox.bind(W="w")
    assert str(inspect.signature(env.W.greet)) == "(name: str) -> str"
    assert inspect.getdoc(env.W.greet) == "Say hello."


async def test_setting_an_attribute_is_told_and_sends_nothing(env, caplog):
    stub = await env.SHOP.cart()
    caplog.set_level("WARNING", "rpclab")
    stub.total = 3
    assert stub.total == 3
    [record] = caplog.records
    assert record.getMessage().startswith(
        "total was set on an RpcStub at this side only: nothing was sent"
    )
    caplog.clear()
    for other in (env.SHOP.cart(), stub.lines):
        with pytest.raises(AttributeError, match="fresh"):
            other.fresh = 3
