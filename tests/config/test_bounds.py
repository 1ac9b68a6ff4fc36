"""Whatever a configuration holds or names, the error is a ConfigError, at once and bounded."""

import os
import socket

import pytest

import rpclab
from rpclab.config import load_config
from rpclab.config.file_text import MOST_BYTES, MOST_BYTES_OF_CODE
from rpclab.errors import ConfigError
from rpclab.typegen.of_workers import types_of_configs

NAMED = 'name = "a"\nmain = "a.py"\n'
JSON = '{"name": "a", "main": "a.py", "vars": {"x": %s}}'
DEEP = 100_000


def refused(file):
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert caught.value.filename == str(file)
    assert len(str(caught.value)) < 3000
    assert str(caught.value).replace("\n", "").isprintable()
    return str(caught.value)


TOO_DEEP = {
    "arrays.toml": NAMED + "vars = { x = " + "[" * DEEP + "]" * DEEP + " }",
    "tables.toml": NAMED + "vars = " + "{ a = " * DEEP + "1" + " }" * DEEP,
    "unclosed.toml": NAMED + "vars = " + "[" * DEEP,
    "key.toml": NAMED + "vars." + ".".join("a" * 20_000) + " = 1",
    "spaced.toml": NAMED + "vars." + " . ".join(["a"] * 20_000) + " = 1",
    "quoted.toml": NAMED + "vars." + ".".join(['"a"'] * 20_000) + " = 1",
    "header.toml": NAMED + "[vars." + ".".join("a" * 20_000) + "]",
    "headers.toml": NAMED + "[[vars." + ".".join("a" * 20_000) + "]]",
    "both.toml": f"{NAMED}vars = {{ x = {'[' * 60} {{ {'.'.join('a' * 60)} = 1 }} {']' * 60} }}",
    "arrays.json": JSON % ("[" * DEEP + "]" * DEEP),
    "objects.json": JSON % ('{"a":' * DEEP + "1" + "}" * DEEP),
    "unclosed.jsonc": JSON % ("[" * DEEP),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_DEEP)
def test_what_stands_too_deep_is_refused_with_its_place(tmp_path, name):
    file = tmp_path / f"wrangler.{name.rpartition('.')[2]}"
    file.write_text(TOO_DEEP[name])
    assert "this stands more than 100 tables and arrays deep" in refused(file)


def test_what_is_as_deep_as_anybody_needs_is_read(tmp_path):
    file = tmp_path / "wrangler.toml"
    file.write_text(
        NAMED + "vars = { x = " + "[" * 90 + "]" * 90 + ", " + ".".join("a" * 90) + " = 1.5 }"
    )
    assert set(load_config(file).vars) == {"x", "a"}
    file = tmp_path / "wrangler.json"
    file.write_text(JSON % ("[" * 90 + "]" * 90))
    assert set(load_config(file).vars) == {"x"}


WRONG = {
    "digits.toml": NAMED + "vars = { x = " + "9" * 10_000 + " }",
    "digits.json": JSON % ("9" * 10_000),
    "long_key.toml": NAMED + "a" * 100_000 + " = 1",
    "long_value.toml": 'main = "a.py"\nname = "' + "é" * 100_000 + '"',
    "controls.json": '{"name": "a", "main": "a.py", "\\u001b[2J\\u202e": 1}',
    "nul.json": '{"name": "a", "main": "a\\u0000.py"}',
    "nul.toml": 'name = "a"\nmain = "a\\u0000.py"',
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_in_bounded_and_printable_words(tmp_path, name):
    file = tmp_path / f"wrangler.{name.rpartition('.')[2]}"
    file.write_text(WRONG[name])
    refused(file)


@pytest.mark.parametrize("suffix", ["toml", "json", "jsonc"])
@pytest.mark.parametrize("data", [b"\xff\xfe", b'name = "\xff"', b"\0", b"x" * (MOST_BYTES + 1)])
def test_what_is_no_text_or_too_large_is_refused(tmp_path, suffix, data):
    file = tmp_path / f"wrangler.{suffix}"
    file.write_bytes(data)
    refused(file)


# What is no file.


def pipe(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


def circle(path):
    path.symlink_to(path)


def nowhere(path):
    path.symlink_to("/nowhere/at/all")


def device(path):
    path.symlink_to("/dev/zero")


def listening(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


KINDS = [pipe, folder, circle, device, listening]


def name_of(kind):
    return kind.__name__


@pytest.mark.parametrize("kind", [*KINDS, nowhere], ids=name_of)
def test_a_main_that_is_no_file_is_refused_and_not_waited_for(tmp_path, kind):
    file = tmp_path / "wrangler.toml"
    file.write_text(NAMED)
    kind(tmp_path / "a.py")
    with pytest.raises(ConfigError, match=r"wrangler\.toml: main = 'a\.py' (is|cannot)"):
        rpclab.Sandbox.from_config(file)
    with pytest.raises(ConfigError, match="main"):
        types_of_configs([file])


@pytest.mark.parametrize("kind", [pipe, circle, device, listening], ids=name_of)
def test_a_configuration_that_is_no_file_is_refused_and_not_waited_for(tmp_path, kind):
    file = tmp_path / "wrangler.toml"
    kind(file)
    for path in (file, tmp_path):
        with pytest.raises(ConfigError):
            rpclab.Sandbox.from_config(path)


@pytest.mark.parametrize("name", [".dev.vars", ".env"])
@pytest.mark.parametrize("kind", [pipe, folder, device, listening], ids=name_of)
def test_secrets_that_are_no_file_are_refused_and_not_waited_for(tmp_path, kind, name):
    file = tmp_path / "wrangler.toml"
    file.write_text(NAMED)
    kind(tmp_path / name)
    with pytest.raises(ConfigError, match=rf"\{name}: is .*, and no file"):
        load_config(file)


@pytest.mark.parametrize("path", ["a\0b", "a" * 100_000, "/dev/null/x.toml"])
def test_a_path_that_can_be_none_is_refused(path):
    with pytest.raises(ConfigError, match="there is no such file"):
        rpclab.Sandbox.from_config(path)


def test_a_main_of_a_name_that_can_be_none_is_refused(tmp_path):
    file = tmp_path / "wrangler.toml"
    file.write_text('name = "a"\nmain = "' + "a" * 100_000 + '.py"')
    with pytest.raises(ConfigError, match="cannot be read"):
        rpclab.Sandbox.from_config(file)


# The code.


CODES = {
    "a byte order mark": b"\xef\xbb\xbfWORD = '\xc3\xa9'\n",
    "a declared encoding": b"# -*- coding: latin-1 -*-\nWORD = '\xe9'\n",
    "line ends of Windows": b"WORD = (\r\n    '\xc3\xa9'\r\n)\r\n",
}
SERVE = b"""
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def word(self): return WORD
"""
BESIDE = b"""
from workers import WorkerEntrypoint
class Base(WorkerEntrypoint):
    def say(self): return WORD
"""


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
async def test_code_is_read_as_python_reads_it(tmp_path, code):
    file = tmp_path / "wrangler.toml"
    file.write_text(NAMED)
    (tmp_path / "a.py").write_bytes(code + SERVE)
    async with rpclab.Sandbox.from_config(file) as sandbox:
        assert await sandbox.bind(A="a").A.word() == "é"
    [written] = types_of_configs([file]).values()
    assert "def word(" in written.text


async def test_a_module_beside_may_have_a_byte_order_mark(tmp_path):
    file = tmp_path / "wrangler.toml"
    file.write_bytes(b"\xef\xbb\xbf" + NAMED.encode())
    (tmp_path / "a.py").write_text("from beside import Base\nclass Default(Base): pass\n")
    (tmp_path / "beside.py").write_bytes(CODES["a byte order mark"] + BESIDE)
    async with rpclab.Sandbox.from_config(file) as sandbox:
        assert await sandbox.bind(A="a").A.say() == "é"
    [written] = types_of_configs([file]).values()
    assert "def say(" in written.text


@pytest.mark.parametrize(
    ("code", "words"),
    [(b"WORD = '\xe9'\n", "is no text"), (b"a = 1\0\n", "is no Python: it holds a NUL"),
     (b"# coding: nonsense\n", "is no text"), (b"#" * (MOST_BYTES_OF_CODE + 1), "is larger than")],
)  # fmt: skip
def test_code_that_is_no_text_is_refused(tmp_path, code, words):
    file = tmp_path / "wrangler.toml"
    file.write_text(NAMED)
    (tmp_path / "a.py").write_bytes(code)
    with pytest.raises(ConfigError, match=f"main = 'a.py' {words}"):
        rpclab.Sandbox.from_config(file)
