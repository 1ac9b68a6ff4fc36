"""Variables and secrets of configuration files are something else in a test."""

import pytest

import rpclab
from rpclab.errors import ConfigWarning

MAIN = """\
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def all(self):
        return {name: self.env[name] for name in self.env}
"""
A = """\
name = "a"
main = "main.py"
vars = { URL = "https://example.com/", LIMIT = 5 }
secrets = { required = ["KEY", "TOKEN"] }
"""
B = 'name = "b"\nmain = "main.py"\nvars = { URL = "https://example.org/" }\n'


@pytest.fixture
def folder(tmp_path):
    for name, text in {"a": A, "b": B}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "wrangler.toml").write_text(text)
        (tmp_path / name / "main.py").write_text(MAIN)
    (tmp_path / "a" / ".dev.vars").write_text("KEY=of a file\nTOKEN=of a file\n")
    return tmp_path


async def variables(folder, **given):
    async with rpclab.Sandbox.from_config(folder, vars=given) as sandbox:
        env = sandbox.bind(A="a", B="b")
        return await env.A.all(), await env.B.all()


async def test_a_variable_is_another_in_every_worker_that_has_it(folder):
    a, b = await variables(folder, URL="http://127.0.0.1/")
    assert a == {"URL": "http://127.0.0.1/", "LIMIT": 5, "KEY": "of a file", "TOKEN": "of a file"}
    assert b == {"URL": "http://127.0.0.1/"}


async def test_a_variable_is_any_json_value_and_a_copy(folder):
    value = {"most": [1]}
    async with rpclab.Sandbox.from_config(folder, vars={"LIMIT": value, "URL": None}) as sandbox:
        value["most"].append(2)
        found = await sandbox.bind(A="a").A.all()
    assert (found["LIMIT"], found["URL"]) == ({"most": [1]}, None)


async def test_a_secret_is_another_and_no_display_shows_it(folder):
    async with rpclab.Sandbox.from_config(folder, vars={"KEY": "of the test"}) as sandbox:
        assert (await sandbox.bind(A="a").A.all())["KEY"] == "of the test"
        assert "KEY" in sandbox.worker("a").env.__secret__


async def test_a_secret_that_stands_in_no_file_needs_no_file_then(folder):
    (folder / "a" / ".dev.vars").unlink()
    with pytest.warns(ConfigWarning, match="the secret TOKEN stands in no"):
        a, _ = await variables(folder, KEY="of the test")
    assert a["KEY"] == "of the test"
    a, _ = await variables(folder, KEY="of the test", TOKEN="t")
    assert a["TOKEN"] == "t"


def test_what_no_file_has_is_refused_with_the_near_names(folder):
    with pytest.raises(ValueError, match="no configuration has a variable or a secret 'URI'") as at:
        rpclab.Sandbox.from_config(folder, vars={"URI": "x"})
    assert at.value.__notes__ == ["did you mean 'URL'?"]


def test_a_secret_is_a_text_and_a_variable_a_json_value(folder):
    with pytest.raises(TypeError, match="the secret KEY is a text, not int"):
        rpclab.Sandbox.from_config(folder, vars={"KEY": 1})
    with pytest.raises(TypeError, match="the variable URL must be a JSON value"):
        rpclab.Sandbox.from_config(folder, vars={"URL": object()})
