"""`.dev.vars` and `.env` are read as JavaScript reads them; the record stands in `dotenv/`."""

import json
from pathlib import Path

import pytest

from rpclab import Sandbox
from rpclab.config import dotenv, load_config
from rpclab.errors import ConfigError, ConfigWarning

RECORDED = json.loads(Path(__file__).with_name("dotenv").joinpath("recorded.json").read_text())


@pytest.mark.parametrize(("text", "values", "expanded"), RECORDED, ids=ascii)
def test_a_text_says_what_it_says_in_javascript(text, values, expanded):
    assert dotenv.parse(text)[0] == values
    assert dotenv.expand(values) == expanded


@pytest.mark.parametrize(
    ("text", "line"),
    [("A=1\nnonsense\n", 2), ("\n\nA\n", 3), ("A:1", 1), ("# c\nA=1 # d\n\n\tb c=d", 4),
     ('A="x\ny\n', 2), ("A=1\r\nb\r\n", 2), ("A B=1", 1)],
)  # fmt: skip
def test_a_line_that_says_nothing_is_known(text, line):
    assert dotenv.parse(text)[1] == dotenv.Misread(line)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# c", "A=1", "A=1 # c\n  # d\n", 'A="x\n# y\nz"', "\ufeffA=1"]
)
def test_comments_and_blanks_say_nothing_wrong(text):
    assert dotenv.parse(text)[1] is None


HUGE = {
    "lines": "\n" * 10**6, "blanks": " " * 10**6, "export": "export\n" * 10**5,
    "names": "A\n" * 10**5, "blanks behind a name": "A" + " " * 10**6,
    "blanks before a value": "A=" + " " * 10**6 + "x", "open quotes": 'A="\n' * 10**5,
    "quotes of all kinds": "A='a\nB=\"b\nC=`c\n" * 10**4, "one open quote": "A='" + "a" * 10**5,
    "escapes": 'A="' + '\\"' * 5 * 10**5, "comments": "#\n" * 5 * 10**5, "dots": "a.b" * 10**5,
}  # fmt: skip


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_a_hostile_text_is_read_in_one_walk(text):
    dotenv.parse(text)  # a walk for each line would take hours


DOUBLING = "".join(f"A{n}={'a' * 99 if not n else f'$A{n - 1}$A{n - 1}'}\n" for n in range(40))


@pytest.mark.parametrize("text", ["A=" + "$A" * 10_000, DOUBLING], ids=["many", "doubling"])
def test_references_without_an_end_are_refused(text):
    with pytest.raises(dotenv.EndlessReferenceError, match="lead round and round"):
        dotenv.expand(dotenv.parse(text)[0])


# Which files count.


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wrangler.toml"
    path.write_text('name = "a"\nmain = "b.py"\nvars = { TOKEN = "public" }\n[env.live]\n')
    return path


def write(file, **texts):
    for name, text in texts.items():
        file.with_name(name.replace("_", ".")).write_text(text)


def test_where_there_is_no_dev_vars_the_env_files_count_the_later_ones_more(file):
    write(
        file, _env="A=1\nB=1\nC=1\nD=$A", _env_local="B=2", _env_live="C=3", _env_live_local="D=4"
    )
    texts = load_config(file).texts
    assert texts == {"TOKEN": "public", "A": "1", "B": "2", "C": "1", "D": "1"}
    assert load_config(file, environment="live").texts == {"A": "1", "B": "2", "C": "3", "D": "4"}


def test_a_dev_vars_hides_every_env_file_and_refers_to_nothing(file):
    write(file, _env="A=1", _env_live="A=2", _dev_vars="B=$A")
    assert load_config(file, environment="live").texts == {"B": "$A"}
    write(file, _dev_vars="")
    assert load_config(file, environment="live").texts == {}


def test_an_env_file_may_hold_what_is_for_other_programs(file):
    write(file, _env="set -a\nA=1\n")
    assert load_config(file).texts["A"] == "1"


def test_references_without_an_end_are_named_with_the_file(file):
    write(file, _env="A=" + "$A" * 10_000)
    with pytest.raises(ConfigError, match=r"\.env: the references of A lead round and round"):
        load_config(file)


def test_the_process_is_not_asked_for_secrets(file, monkeypatch):
    monkeypatch.setenv("OUTSIDE", "x")
    write(file, _env="A=${OUTSIDE:-inside}")
    assert load_config(file).texts == {"TOKEN": "public", "A": "inside"}


def test_required_secrets_are_all_that_is_loaded(file):
    with file.open("a") as stream:
        stream.write('[secrets]\nrequired = ["KEY"]\n')
    text = file.read_text().replace("[env.live]\n", "")
    file.write_text(text)
    write(file, _dev_vars="KEY=k\nTOKEN=t\nOTHER=o\n")
    assert load_config(file).texts == {"KEY": "k", "TOKEN": "t"}
    file.write_text(text.replace('"KEY"', ""))
    assert load_config(file).texts == {"TOKEN": "t"}


@pytest.mark.parametrize("name", [".dev.vars", ".env"])
def test_a_file_that_is_no_text_is_named_at_once(file, name):
    file.with_name(name).write_bytes(b"A=1\nB=\xff\n")
    with pytest.raises(ConfigError, match=rf"\{name}:2: is no text in UTF-8"):
        load_config(file)


async def test_a_binding_hides_a_secret_of_its_name(file):
    with file.open("a") as stream:
        stream.write('vars = { X = 1 }\n[[services]]\nbinding = "MAIL"\nservice = "a"\n')
        stream.write('[[d1_databases]]\nbinding = "DB"\n')
    file.write_text(file.read_text().replace("[env.live]\nvars = { X = 1 }\n", ""))
    write(file, _env="MAIL=m\nDB=d\nKEY=k\n")
    file.with_name("b.py").write_text("def word(env): return 1")
    config = load_config(file)
    assert config.secrets == {"KEY": "k"}
    assert "env.MAIL is this binding, and not the secret of that name" in config.warning()
    with pytest.warns(ConfigWarning, match="env.DB is this binding"):
        sandbox = Sandbox.from_config(file)
    assert type(sandbox.worker("a").env.DB).__name__ == "D1Database"
    sandbox.close()
