"""The text that is written: what a reader finds in it, and what is said of what it lacks."""

import pytest

import rpclab
from rpclab import surface
from rpclab.cli import main
from rpclab.errors import UnknownBindingError
from rpclab.typegen.of_workers import types_of_sandbox
from rpclab.typegen.sources import Source

COUNTER = """\
from workers import RpcTarget, WorkerEntrypoint

class Counter(RpcTarget):
    def increment(self, amount: int = 1) -> int: ...
    @property
    def value(self) -> int: ...

class CounterService(WorkerEntrypoint):
    async def new_counter(self): return Counter()
"""

WRITTEN = """\
# Written by `%rpclab types`: run it again after a change to the Workers.

from typing import Literal, overload

from rpclab import typed

class CounterServiceBinding(typed.ServiceBinding):
    def new_counter(self) -> CounterPromise: ...

class _CounterMembers:
    def increment(self, amount: typed.OrPromise[int] = 1) -> typed.RpcPromise[int]: ...
    @property
    def value(self) -> typed.RpcProperty[int]: ...

class CounterStub(typed.RpcStub, _CounterMembers): ...

class CounterPromise(typed.RpcPromise[CounterStub], _CounterMembers): ...

class Env(typed.Env):
    COUNTER: CounterServiceBinding
    AGAIN: CounterServiceBinding
    @overload
    def __getitem__(self, name: Literal["COUNTER"]) -> CounterServiceBinding: ...
    @overload
    def __getitem__(self, name: Literal["AGAIN"]) -> CounterServiceBinding: ...

env: Env
"""


def surface_of(text, name, folder=None):
    return sorted(member.name for member in Source(text, folder).members(name))


def types(sandbox, source, **env):
    """The types of the notebook around one Worker, without what every file has."""
    sandbox.deploy("w", source=source)
    sandbox.bind(**{"W": "w", **env})
    return types_of_sandbox(sandbox).text


def test_a_notebook_gets_the_types_of_its_sandbox(sandbox):
    sandbox.deploy("counter-service", source=COUNTER)
    target = "counter-service#CounterService"
    sandbox.bind(COUNTER=target, AGAIN=target)
    assert types_of_sandbox(sandbox) == (WRITTEN, ())


def test_a_worker_gets_its_variables_and_what_it_imports(sandbox):
    variables = {"COUNT": 5, "NONE": None, "SIZES": [1, "two"], "MAP": {"a b": True}}
    sandbox.deploy("w", source=COUNTER, vars={"TEXT": 'a "b"'}, json=variables)
    text = types_of_sandbox(sandbox, "w").text
    for line in (
        'TEXT: Literal["a \\"b\\""]',
        "COUNT: int",
        "NONE: None",
        "SIZES: list[int | str]",
        "MAP: dict[str, bool]",
    ):
        assert f"\n    {line}\n" in text
    assert "    RpcTarget as RpcTarget,\n" in text
    assert "class WorkerEntrypoint(_WorkerEntrypoint):\n    env: Env\n" in text
    with pytest.raises(UnknownBindingError):
        types_of_sandbox(sandbox, "nobody")


def test_namespaces_and_databases_of_a_notebook_are_known(sandbox):
    source = """\
from workers import DurableObject
class Room(DurableObject):
    def enter(self, who: str) -> int: ...
"""
    sandbox.deploy("chat", source=source)
    sandbox.bind(ROOMS=rpclab.objects("chat#Room"), DB=sandbox.d1(":memory:x"), KV=sandbox.kv("x"))
    text = types_of_sandbox(sandbox).text
    assert "    ROOMS: typed.DurableObjectNamespace[RoomObject]\n" in text
    assert "    DB: rpclab.workers.d1.database.D1Database\n" in text
    assert "    KV: rpclab.workers.kv.namespace.KVNamespace\n" in text
    assert "class RoomObject(typed.DurableObjectStub):\n    def enter(self, who: " in text


def test_a_new_version_has_its_own_types(sandbox):
    sandbox.deploy("w", source="def old(x, env, ctx): return x")
    text = types(sandbox, "def new(x, env, ctx): return 'new'")
    assert "def new(self, argument: Any, /) -> typed.RpcPromise[str]: ..." in text
    assert "def old" not in text


def test_where_a_binding_leads_to_nothing_known_all_is_allowed_and_it_is_said(sandbox):
    sandbox.bind(LATER="mailer")
    written = types_of_sandbox(sandbox)
    assert "    LATER: Any\n" in written.text
    assert written.unknown == (
        'env.LATER: the Worker "mailer" is not among those given, so everything is allowed on it',
    )


@pytest.mark.parametrize(
    ("annotation", "seen"),
    [
        ("int | None", "typed.RpcPromise[int | None]"),
        ("'int'", "typed.RpcPromise[int]"),
        ("typing.Optional[int]", "typed.RpcPromise[int | None]"),
        ("typing.Union[int, str, int]", "typed.RpcPromise[int | str]"),
        ("typing.List[typing.Tuple[int, ...]]", "typed.RpcPromise[list[tuple[int, ...]]]"),
        ("typing.Annotated[int, 'x']", "typed.RpcPromise[int]"),
        ("typing.Literal['a', 1]", "typed.RpcPromise[typing.Literal['a', 1]]"),
        ("decimal.Decimal", "typed.RpcPromise[decimal.Decimal]"),
        ("Alias", "typed.RpcPromise[set[int]]"),
        ("typing.Awaitable[int]", "typed.RpcPromise[int]"),
        ("list[Other]", "typed.RpcPromise[list[OtherStub]]"),
        ("Other | None", "OtherOrNonePromise"),
        ("typing.Callable[[int], str]", "FunctionPromise"),
        ("typing.Any", "rpclab.RpcPromise"),
        ("nowhere.Thing", "rpclab.RpcPromise"),
        ("Undefined", "rpclab.RpcPromise"),
        ("typing.TypeVar", "rpclab.RpcPromise"),
        ("Loop", "rpclab.RpcPromise"),
        ("object", "rpclab.RpcPromise"),
        ("not a type", "rpclab.RpcPromise"),
    ],
)
def test_an_annotation_is_seen_from_the_other_side(sandbox, annotation, seen):
    source = f"""\
from __future__ import annotations
import typing, decimal
from workers import RpcTarget, WorkerEntrypoint
Alias = set[int]
Loop = 'Loop | int'
class Other(RpcTarget): pass
class Default(WorkerEntrypoint):
    def method(self) -> {annotation if annotation != "not a type" else "'not a type ]'"}: ...
"""
    assert f"    def method(self) -> {seen}: ...\n" in types(sandbox, source)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("pass", "typed.RpcPromise[None]"),
        ("return 5", "typed.RpcPromise[int]"),
        ("return f'{x}'", "typed.RpcPromise[str]"),
        ("return Other()", "OtherPromise"),
        ("if x: return Other()\n        return None", "OtherOrNonePromise"),
        ("if x: return 5\n        return x", "rpclab.RpcPromise"),
        ("yield 5", "rpclab.RpcPromise"),
        ("f = lambda: 5\n        def g(): return 5\n        return x", "rpclab.RpcPromise"),
    ],
)
def test_without_an_annotation_its_returns_say_what_they_can(sandbox, body, seen):
    source = f"""\
from workers import RpcTarget, WorkerEntrypoint
class Other(RpcTarget): pass
class Default(WorkerEntrypoint):
    def method(self, x):
        {body}
"""
    assert f"    def method(self, x: Any) -> {seen}: ...\n" in types(sandbox, source)


@pytest.mark.parametrize(
    ("params", "seen"),
    [
        ("a, /, b=1, *, c: int = -1", "a: Any, /, b: Any = 1, *, c: typed.OrPromise[int] = -1"),
        ("*rest: int, **named: str", "*rest: typed.OrPromise[int], **named: typed.OrPromise[str]"),
        ("a: int | None = None", "a: typed.OrPromise[int | None] = None"),
        ("a: list[int] = []", "a: typed.OrPromise[list[int]] = ..."),
        (
            "a: Other | None",
            "a: typed.OrPromise[None] | typed.OrPromise[OtherStub] | rpclab.RpcTarget",
        ),
        ("a: Any", "a: Any"),
    ],
)
def test_parameters_keep_their_form_and_take_promises(sandbox, params, seen):
    source = f"""\
from typing import Any
from workers import RpcTarget, WorkerEntrypoint
class Other(RpcTarget): pass
class Default(WorkerEntrypoint):
    def method(self, {params}) -> None: ...
"""
    assert f"    def method(self, {seen}) -> typed.RpcPromise[None]: ...\n" in types(
        sandbox, source
    )


def test_two_classes_of_one_name_are_kept_apart(sandbox):
    for name in ("a", "b"):
        sandbox.deploy(name, source=COUNTER.replace("increment", name))
    sandbox.bind(A="a#CounterService", B="b#CounterService")
    text = types_of_sandbox(sandbox).text
    assert "A: CounterServiceBinding\n    B: BCounterServiceBinding\n" in text
    assert "class _CounterMembers2:\n    def b(" in text


def test_what_a_peer_reaches_is_what_the_sandbox_lets_it_reach(sandbox, tmp_path):
    (tmp_path / "base.py").write_text(
        "from workers import RpcTarget\nclass B(RpcTarget):\n def b(self): pass\n"
    )
    source = """\
import base, functools
from workers import RpcTarget as R
class Mixin:
    def mixed(self): pass
class Plain(Mixin, base.B):
    data = 5
    dispose = alias = lambda self: 5
    def one(self): pass
    two = one
    @property
    def three(self): return 3
    @three.setter
    def three(self, value): pass
    @classmethod
    def four(cls): pass
    class Five: pass
    if data:
        def six(self): pass
    def _seven(self): pass
class Hiding(Plain):
    one = None
    def mixed(self): pass
class Own(R): pass
"""
    module = sandbox.deploy("w", source=source, folder=tmp_path).module
    for name in ("Plain", "Hiding", "Own"):
        assert surface_of(source, name, tmp_path) == surface(getattr(module, name))


def test_no_code_is_run_to_write_types_of_files(tmp_path, capsys):
    (tmp_path / "wrangler.toml").write_text('name = "a"\nmain = "a.py"')
    (tmp_path / "a.py").write_text("raise SystemExit('it ran')\ndef hi(x, env, ctx): return 'hi'")
    assert main(["types", str(tmp_path / "wrangler.toml")]) == 0
    assert "def hi(self, argument: Any, /)" in (tmp_path / "workers.pyi").read_text()
    assert capsys.readouterr().err == f"wrote {tmp_path / 'workers.pyi'}\n"
