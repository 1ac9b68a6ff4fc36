"""`rpclab run`: one call to a Worker in a file."""

import io
import signal
import sys

import pytest

from rpclab.cli import base, console, main

WORKER = """
import asyncio
from workers import DurableObject, ReadableStream, Response, RpcTarget, WorkerEntrypoint


class Counter(RpcTarget):
    _value = 0

    def increment(self, amount=1):
        self._value += amount
        return self._value

    @property
    def value(self):
        return self._value


class Counters(WorkerEntrypoint):
    def new_counter(self):
        return Counter()


class Room(DurableObject):
    async def enter(self):
        count = (await self.ctx.storage.get("count") or 0) + 1
        await self.ctx.storage.put("count", count)
        return count


def spin():
    while True:
        pass


class Default(WorkerEntrypoint):
    def spin(self):
        spin()

    async def spin_later(self):
        await asyncio.sleep(0)
        spin()

    def spin_in_a_stream(self):
        def chunks():
            yield b"x"
            spin()

        return ReadableStream(chunks())

    def give(self, *args, **kwargs):
        return [list(args), kwargs]

    def text(self):
        return "Zürich\\x1b[2J"

    def data(self):
        return bytes([0, 255])

    def pair(self):
        return (1, 2)

    def count(self, to):
        return ReadableStream(f"{number};" for number in range(to))

    def fetch(self, request):
        return Response(f"{request.method} {request.url}", status=418)

    def shout(self):
        print("aside")
        return "the result"

    def fail(self, message):
        raise ValueError(message)

    def late(self):
        raise TimeoutError("of the Worker")

    async def never(self):
        await asyncio.Event().wait()

    def variable(self):
        return self.env.GREETING
"""

SPINS = WORKER.partition("        pass\n")[0].count("\n")
"""The line of the loop that has no end."""
CONFIG = 'name = "{0}"\nmain = "{0}.py"\n'


@pytest.mark.parametrize(
    ("path", "method", "advice"),
    [
        ("lab.py", "variable", "--var NAME=TEXT gives a text"),
        ("wrangler.toml", "variable", "wrangler.toml: a text under [vars]"),
        ("wrangler.toml", "neighbour", "--with PATH deploys further configurations"),
        ("wrangler.toml", "fail", ""),
    ],
)
def test_what_a_worker_misses_is_told_with_the_option_that_gives_it(
    tmp_path, capsys, path, method, advice
):
    more = "\n    async def neighbour(self):\n        return await self.env.SHOP.hi()\n"
    (tmp_path / "lab.py").write_text(WORKER + more)
    services = '[[services]]\nbinding = "SHOP"\nservice = "shop"\n'
    (tmp_path / "wrangler.toml").write_text(CONFIG.format("lab") + services)
    words = ["no"] if method == "fail" else []
    assert main(["run", str(tmp_path / path), method, *words]) == 1
    said = capsys.readouterr().err
    assert advice in said
    assert ("--" in said.replace("--bind", "").partition("raised in")[2]) == ("--" in advice)


@pytest.fixture
def worker(tmp_path):
    path = tmp_path / "lab.py"
    path.write_text(WORKER)
    return str(path)


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["give", "5", "Ada", '"5"', "null", "-1.5"], '[[5, "Ada", "5", null, -1.5], {}]'),
        (["give", '{"a": [true]}', "NaN", "{"], '[[{"a": [true]}, "NaN", "{"], {}]'),
        (["give", "-k", "a=1", "--keyword", "b=x=y"], '[[], {"a": 1, "b": "x=y"}]'),
        (["give", "--text", "5", "-k", "a=1"], '[["5"], {"a": "1"}]'),
        (["give", "--", "-x", "--json"], '[["-x", "--json"], {}]'),
    ],
)
def test_arguments_are_json_or_else_texts(worker, capsys, words, printed):
    assert main(["run", worker, *words]) == 0
    assert capsys.readouterr().out == f"{printed}\n"


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["text"], "Zürich\x1b[2J\n"),
        (["pair"], "(1, 2)\n"),
        (["count", "3"], "0;1;2;"),
        (["fetch", "/a", "-k", "method=POST"], "POST http://lab/a"),
    ],
)
def test_a_result_is_printed_as_its_kind_is_best_used(worker, capsys, words, printed):
    assert main(["run", worker, *words]) == 0
    assert capsys.readouterr().out.removesuffix("\n") == printed.removesuffix("\n")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is no such signal there")
@pytest.mark.parametrize("method", ["spin", "spin_later", "spin_in_a_stream"])
def test_a_worker_that_computes_for_ever_is_left_when_the_call_is_late(worker, capsys, method):
    assert main(["run", worker, method, "--timeout", "0.01"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("no answer after 0.01 s: the Worker computed, at ")
    assert said.split("lab.py, ")[1] in (f"line {SPINS}, in spin\n", f"line {SPINS + 1}, in spin\n")
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_bytes_come_out_as_they_are(worker, capfdbinary):
    assert main(["run", worker, "data"]) == 0
    assert capfdbinary.readouterr().out == bytes([0, 255])


def test_on_a_terminal_nothing_in_a_result_moves_the_cursor(worker, monkeypatch, capsys):
    monkeypatch.setattr(console, "is_looked_at", lambda: True)
    assert main(["run", worker, "text"]) == 0
    assert capsys.readouterr().out == "Zürich\\x1b[2J\n"
    assert main(["run", worker, "data"]) == 0
    assert capsys.readouterr().out == "\\x00\\xff"


def test_without_rich_a_terminal_gets_plain_text(worker, monkeypatch, capsys):
    monkeypatch.setattr(console, "is_looked_at", lambda: True)
    monkeypatch.setattr(console, "_rich", None)
    assert main(["run", worker, "give", "1"]) == 0
    assert capsys.readouterr().out == "[\n  [\n    1\n  ],\n  {}\n]\n"


def test_json_that_was_asked_for_is_json_or_fails(worker, capsys):
    assert main(["run", worker, "text", "--json"]) == 0
    assert capsys.readouterr().out == '"Zürich\\u001b[2J"\n'
    assert main(["run", worker, "pair", "--json"]) == 1
    assert capsys.readouterr().err == (
        "the result is no JSON, for it holds a tuple: leave out --json\n"
    )


def test_what_a_worker_prints_is_no_part_of_the_result(worker, capsys):
    assert main(["run", worker, "shout"]) == 0
    assert capsys.readouterr() == ("the result\n", "aside\n")


def test_a_way_to_a_method_is_one_pipelined_chain(worker, capsys, tmp_path):
    recording = str(tmp_path / "calls.jsonl")
    words = [f"{worker}#Counters", "new_counter().increment", "5", "--record", recording]
    assert main(["run", *words]) == 0
    assert capsys.readouterr().out == "5\n"
    assert main(["trace", recording]) == 0
    assert "1 round trip; 2 without pipelining" in capsys.readouterr().out


def test_a_property_is_read_with_get(worker, capsys):
    assert main(["run", f"{worker}#Counters", "--get", "new_counter().value"]) == 0
    assert capsys.readouterr().out == "0\n"


def test_a_stub_is_shown_by_what_it_offers(worker, capsys):
    assert main(["run", f"{worker}#Counters", "new_counter"]) == 0
    assert capsys.readouterr().out == "increment\nvalue\n"


def test_a_durable_object_is_named_and_keeps_what_it_stored(worker, capsys, tmp_path):
    words = ["--object", "lobby", "--storage", str(tmp_path / "kept"), "enter"]
    assert main(["run", f"{worker}#Room", *words]) == 0
    assert main(["run", f"{worker}#Room", *words]) == 0
    assert capsys.readouterr().out == "1\n2\n"
    assert main(["run", f"{worker}#Room", "enter"]) == 1
    assert "--object NAME says which of them" in capsys.readouterr().err


def test_arguments_are_checked_where_that_is_asked_for(tmp_path, capsys):
    (tmp_path / "a.py").write_text(
        "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
        "    def double(self, n: int): return n * 2\n"
    )
    assert main(["run", str(tmp_path / "a.py"), "double", "a"]) == 0
    assert main(["run", str(tmp_path / "a.py"), "double", "a", "--validate"]) == 1
    assert "double(): n is 'a' (str), and should be a valid integer" in capsys.readouterr().err


def test_variables_are_given_to_code(worker, capsys):
    assert main(["run", worker, "variable", "--var", "GREETING=Hi you"]) == 0
    assert capsys.readouterr().out == "Hi you\n"


def test_the_neighbours_of_a_configured_worker_are_deployed_with_it(tmp_path, capsys):
    for name, more, code in [
        ("a", '[[services]]\nbinding = "B"\nservice = "b"\n', "return await self.env.B.get()"),
        ("b", 'vars = { X = "of b" }\n', "return self.env.X"),
    ]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "wrangler.toml").write_text(CONFIG.format(name) + more)
        (tmp_path / name / f"{name}.py").write_text(
            "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
            f"    async def get(self):\n        {code}\n"
        )
    words = [str(tmp_path / "a" / "wrangler.toml"), "get", "--with", str(tmp_path)]
    assert main(["run", *words]) == 0
    assert capsys.readouterr().out == "of b\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fail", "no\x1b[2J"], "ValueError: no\\x1b[2J\nraised in the Worker at\n"),
        (["late", "--timeout", "60"], "TimeoutError: of the Worker\n"),
        (["gvie"], "does not implement the method \"gvie\".\ndid you mean 'give'?\n"),
        (["never", "--timeout", "0.01"], "no answer after 0.01 s\n"),
    ],
)
def test_a_call_that_fails_is_told_and_ends_with_status_1(worker, capsys, words, said):
    assert main(["run", worker, *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_code_that_fails_while_it_is_deployed_is_named_with_its_line(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("x = 1\nx.nothing\n")
    assert main(["run", str(tmp_path / "bad.py"), "f"]) == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path / 'bad.py'}:2: AttributeError: ")


def test_code_that_is_no_python_is_named_with_its_line(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("x = 1\ndef f(:\n")
    assert main(["run", str(tmp_path / "bad.py"), "f"]) == 1
    assert capsys.readouterr().err == f"{tmp_path / 'bad.py'}:2: SyntaxError: invalid syntax\n"
    (tmp_path / "good.py").write_text("import bad\n")
    assert main(["run", str(tmp_path / "good.py"), "f"]) == 1
    assert f"{tmp_path / 'bad.py'}:2: SyntaxError: " in capsys.readouterr().err


def test_code_that_fails_in_a_process_of_its_own_is_named_with_its_line(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("x = 1\nx.nothing\n")
    (tmp_path / "wrangler.toml").write_text(
        'name = "bad"\nmain = "bad.py"\n[rpclab]\nplacement = "process"\n'
    )
    assert main(["run", str(tmp_path / "wrangler.toml"), "f"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("AttributeError: ")
    assert "bad.py, line 2" in said
    assert "rpclab/placement" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{worker}", "give", "-x"], "there is no option -x; an argument that begins so goes"),
        (["{worker}", "give", "--jsno"], "there is no option --jsno"),
        (["{worker}"], "Missing argument 'METHOD'"),
        (["{worker}", "a..b"], "is no method, and no way to one"),
        (["{worker}", "a(1).b"], "(calls on the way take no arguments)"),
        (["{worker}", "--get", "a", "1"], "--get reads a property, which takes no arguments"),
        (["{worker}", "give", "-k", "a"], "'a' is not of the form NAME=VALUE"),
        (["{worker}#", "give"], "is not of the form PATH#Entrypoint"),
        (["{worker}.gone", "give"], "there is no file"),
        (["{folder}", "give"], "is a folder: name the .py file or configuration in it"),
        (["{worker}", "give", "--with", "{folder}"], "--with is for a configuration"),
        (["{worker}", "give", "--timeout", "0"], "0.0 is not in the range x>0"),
    ],
)
def test_a_wrong_line_is_told_and_ends_with_status_2(worker, tmp_path, capsys, words, said):
    with pytest.raises(SystemExit) as caught:
        main(["run", *(word.format(worker=worker, folder=tmp_path) for word in words)])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_a_very_long_error_is_cut(worker, capsys):
    assert main(["run", worker, "fail", "x" * 100_000]) == 1
    assert len(capsys.readouterr().err) < 5_000


def test_a_stream_is_shown_as_it_comes(worker, monkeypatch):
    class Pipe(io.StringIO):
        def write(self, text):
            pieces.append(text)
            return len(text)

    pieces = []
    monkeypatch.setattr(sys, "stdout", Pipe())
    assert not base.is_looked_at()
    assert main(["run", worker, "count", "2"]) == 0
    assert len(pieces) >= 2
