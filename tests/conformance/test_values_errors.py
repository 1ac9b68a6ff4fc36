"""Area V: exceptions sent as values."""

from __future__ import annotations

import asyncio

import pytest

import rpclab


def an_error(kind=ValueError, *args, **attributes):
    error = kind(*args)
    error.__dict__.update(attributes)
    return error


BUILTIN = [
    ValueError("m"), TypeError("msg"), KeyError("k"), ZeroDivisionError(), Exception(),
    RuntimeError("a", 1, None), OSError(2, "No such file", "name.txt"),
    FileNotFoundError(2, "gone", "a", None, "b"),
    UnicodeDecodeError("utf-8", b"x\xff", 1, 2, "bad"), StopIteration(5), SystemExit(3),
    KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError("c"), TimeoutError("slow"),
    SyntaxError("bad", ("f.py", 1, 2, "text", 1, 3)), Warning("w"), UserWarning("u"),
    rpclab.DisposedError("d"), rpclab.RpcError("r"),
]  # fmt: skip


@pytest.mark.parametrize("error", BUILTIN, ids=lambda error: type(error).__name__)
async def test_V20_a_builtin_error_sent_as_a_value_keeps_class_and_message(callee, error):
    for back in (await callee.echo(error), (await callee.echo([error]))[0]):
        assert type(back) is type(error)
        assert back.args == error.args
        assert str(back) == str(error)
        assert getattr(back, "filename", None) == getattr(error, "filename", None)
        assert back.__traceback__ is None


async def test_V20_properties_cause_and_notes_survive(callee):
    error = an_error(ValueError, "outer", code="E_CODE", data={"deep": [1]})
    error.__cause__ = TypeError("inner")
    error.add_note("a note")
    back = await callee.echo(error)
    assert (back.code, back.data) == ("E_CODE", {"deep": [1]})
    assert (type(back.__cause__), str(back.__cause__)) == (TypeError, "inner")
    assert back.__notes__ == ["a note"]
    assert not hasattr(await callee.echo(ValueError()), "remote")


async def test_V20_fields_of_import_and_name_errors_survive(callee):
    error = ImportError("no", name="n", path="p")
    back = await callee.echo([error])
    assert (back[0].name, back[0].path) == ("n", "p")
    with pytest.raises(NameError) as caught:
        missing_name  # noqa: B018, F821 - it is missing
    assert (await callee.echo(caught.value)).name == "missing_name"


async def test_V20_an_error_of_the_application_arrives_as_its_nearest_builtin_class(callee):
    class MineError(KeyError):
        def __init__(self, key, extra):
            super().__init__(key)
            self.extra = extra

    class Group(ExceptionGroup):
        def derive(self, errors):
            return Group(self.message, errors)

    back = await callee.echo(MineError("k", [1]))
    assert (type(back), back.args, back.extra) == (KeyError, ("k",), [1])
    back = await callee.echo(
        Group("g", [MineError("k", 1), ExceptionGroup("inner", [OSError(1, "x")])])
    )
    assert (type(back), back.message) == (ExceptionGroup, "g")
    assert [type(error) for error in back.exceptions] == [KeyError, ExceptionGroup]
    assert back.exceptions[1].exceptions[0].errno == 1


async def test_V20_where_one_property_cannot_be_sent_all_are_dropped(callee):
    error = an_error(ValueError, "m", good=1, bad=object())
    for back in (await callee.echo(error), (await callee.echo([error, error]))[0]):
        assert (str(back), vars(back)) == ("m", {})
    back = await callee.echo(ValueError("m", object()))
    assert len(back.args) == 1
    assert back.args[0].startswith("('m', <object")
    deep = an_error(ValueError, "m", deep={"x": [TypeError("t"), {"y": object()}]})
    assert vars(await callee.echo(deep)) == {}
    inner = an_error(ValueError, "outer", inner=an_error(TypeError, "inner", bad=object()))
    back = await callee.echo(inner)
    assert (str(back.inner), vars(back.inner)) == ("inner", {})


async def test_V20_a_long_chain_of_causes_is_cut_and_the_error_arrives(callee):
    first = error = ValueError(0)
    for number in range(1, 500):
        error.__cause__ = ValueError(number)
        error = error.__cause__
    back, length = await callee.echo(first), 0
    while back is not None:
        assert back.args == (length,)
        back, length = back.__cause__, length + 1
    assert length == 33
