"""Secrets for this machine: `.dev.vars` beside the configuration."""

import os

import pytest

from rpclab.config import load_config
from rpclab.errors import ConfigError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wrangler.toml"
    path.write_text(
        'name = "a"\nmain = "b.py"\nvars = { TOKEN = "public" }\n[env.live]\nvars = {TOKEN = "x"}\n'
    )
    return path


def test_they_are_texts_and_hide_variables_of_the_same_name(file):
    file.with_name(".dev.vars").write_text('TOKEN="s3cret # all of it"\n\n# a comment\nKEY=k\n')
    config = load_config(file)
    assert config.texts == {"TOKEN": "s3cret # all of it", "KEY": "k"}
    assert "s3cret" not in repr(config)


def test_an_environment_has_its_own_file_or_the_common_one(file):
    file.with_name(".dev.vars").write_text("KEY=common\n")
    assert load_config(file, environment="live").texts["KEY"] == "common"
    file.with_name(".dev.vars.live").write_text("KEY=live\n")
    assert load_config(file, environment="live").texts["KEY"] == "live"
    assert load_config(file).texts["KEY"] == "common"


def test_this_process_neither_gives_nor_gets_any(file, monkeypatch):
    monkeypatch.setenv("OUTSIDE", "x")
    file.with_name(".dev.vars").write_text("INNER=$OUTSIDE ${OUTSIDE}\n")
    assert load_config(file).texts["INNER"] == "$OUTSIDE ${OUTSIDE}"
    assert "INNER" not in os.environ


def test_a_line_that_is_none_is_named(file):
    file.with_name(".dev.vars").write_text("KEY=k\nnonsense\n")
    with pytest.raises(ConfigError, match=r"\.dev\.vars:2: a line here is NAME=value"):
        load_config(file)


def test_a_required_secret_that_is_missing_is_named(file):
    with file.open("a") as stream:
        stream.write('[secrets]\nrequired = ["API_KEY"]\n')
    assert "line 7: the secret API_KEY stands in no .dev.vars" in load_config(file).warning()
    file.with_name(".dev.vars").write_text("API_KEY=k\n")
    assert load_config(file).warning() == ""
