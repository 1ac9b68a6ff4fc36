"""The lines of the magics, without a kernel."""

import pytest
from IPython.core.error import UsageError

from rpclab.notebook.commands import EXPORT_OPTIONS, FAULT_OPTIONS
from rpclab.notebook.distances import LINK_OPTIONS
from rpclab.notebook.lines import (
    BIND_OPTIONS,
    TRACE_OPTIONS,
    WORKER_OPTIONS,
    WRANGLER_OPTIONS,
    parse_bindings,
    parse_trace,
    parse_worker,
    words,
)
from rpclab.notebook.magics import RpcLab
from rpclab.notebook.wrangler import Wrangler

OPTIONS = ", ".join(sorted(WORKER_OPTIONS))


@pytest.mark.parametrize(
    ("line", "split"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("X=counter#Admin", ["X=counter#Admin"]),
        ("a # b", ["a"]),
        ("# a", []),
        ('X="a # b"', ["X=a # b"]),
        ("X='it is' y", ["X=it is", "y"]),
        ('X={"a": [1, 2]} y', ['X={"a": [1, 2]}', "y"]),
        ("X=[1, {}] # y", ["X=[1, {}]"]),
        ("X={no json}", ["X={no", "json}"]),
    ],
)
def test_a_line_is_split_at_white_space_that_no_quote_or_json_holds(line, split):
    assert [word.text for word in words(line)] == split


def test_worker_takes_a_name_and_options_in_any_order():
    parsed = parse_worker("--var A=1 name --bind B=other --bind=C=other#Admin --json D=[1]")
    assert parsed.name == "name"
    assert {name: str(target) for name, target in parsed.bind.items()} == {
        "B": "other",
        "C": "other#Admin",
    }
    assert parsed.vars == {"A": "1"}
    assert parsed.json == {"D": [1]}


def test_an_object_is_named_by_its_class_and_the_worker_of_another_one():
    parsed = parse_worker("name --object ROOMS=Room --object=LOGS=Log@logger")
    assert parsed.objects == {"ROOMS": "Room", "LOGS": "logger#Log"}
    bound = parse_bindings("A=other --object ROOMS=Room@chat")
    assert [str(target) for target in bound.values()] == ["other", "objects of chat#Room"]


def test_a_database_without_a_file_is_in_memory():
    parsed = parse_worker("name --d1 DB --d1=LOG=logs/log.sqlite")
    assert parsed.d1 == {"DB": ":memory:", "LOG": "logs/log.sqlite"}


def test_a_kv_namespace_without_an_id_is_called_like_its_variable():
    parsed = parse_worker("name --kv CACHE --kv=SESSIONS=a/b")
    assert parsed.kv == {"CACHE": "CACHE", "SESSIONS": "a/b"}


def test_a_json_string_keeps_its_quotes_and_a_text_loses_them():
    parsed = parse_worker('name --json A="hi you" --var B="hi you"')
    assert parsed.json == {"A": "hi you"}
    assert parsed.vars == {"B": "hi you"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "%%worker needs a name, such as: %%worker counter-service"),
        ("a b", "%%worker takes one name, but there are 'a' and 'b'"),
        ("a --bnd X=b", "%%worker has no option --bnd; did you mean '--bind' or '--on' or '--d1'?"),
        ("a --where here", f"%%worker has no option --where; there are: {OPTIONS}"),
        ("a --bind", "--bind needs VAR=worker[#Entrypoint]"),
        ("a --bind X", "'X' is not of the form VAR=worker[#Entrypoint]"),
        ("a --d1 --var A=b", "--d1 needs VAR[=file]"),
        ("a --kv", "--kv needs VAR[=id]"),
        ("a --kv 1=x", "'1' cannot be the name of a variable, in '1=x'"),
        ("a --d1 1", "'1' cannot be the name of a variable, in '1=:memory:'"),
        ("a --bind 1=b", "'1' cannot be the name of a variable, in '1=b'"),
        ("a --bind X=b#", 'a binding leads to "worker" or "worker#Entrypoint", not \'b#\''),
        ("a --json X=[1", "X takes JSON, and '[1' is none; use --var for text"),
        ("a --var X='b", "the quotation 'b does not end"),
    ],
)
def test_what_worker_does_not_understand_is_answered_in_a_line(line, message):
    with pytest.raises(UsageError) as caught:
        parse_worker(line)
    assert str(caught.value) == message


def test_bind_takes_bindings_only():
    assert list(parse_bindings("A=one B=two#Admin # both")) == ["A", "B"]
    with pytest.raises(UsageError, match="%bind needs a binding"):
        parse_bindings("  ")


def test_trace_takes_its_option_only():
    assert parse_trace(" --text")
    assert not parse_trace("# as always")
    with pytest.raises(UsageError, match="the code goes into the lines below"):
        parse_trace("x = 1")


@pytest.mark.parametrize(
    ("manual", "options"),
    [
        (RpcLab.worker, WORKER_OPTIONS),
        (RpcLab.bind, BIND_OPTIONS),
        (RpcLab.trace, TRACE_OPTIONS),
        (Wrangler.wrangler, WRANGLER_OPTIONS),
        (RpcLab.rpclab, {**LINK_OPTIONS, **FAULT_OPTIONS, **EXPORT_OPTIONS}),
    ],
)
def test_every_option_stands_in_the_manual(manual, options):
    for flag, option in options.items():
        assert f"{flag} {option.form}".strip() in manual.__doc__
