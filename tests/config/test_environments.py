"""Named environments: what they take over, and what they say for themselves."""

import pytest

from rpclab import Sandbox
from rpclab.config import load_config, load_configs
from rpclab.errors import ConfigError, ConfigWarning

TEXT = """\
name = "shop"
main = "main.py"
compatibility_date = "2026-06-01"
compatibility_flags = ["python_workers"]
r2_buckets = [{ binding = "FILES" }]

[vars]
GREETING = "Hello"
COLOUR = "red"

[[services]]
binding = "MAIL"
service = "mailer"

[[migrations]]
tag = "v1"

[env.staging]
vars = { GREETING = "Hi" }

[env.live]
name = "the-shop"
main = "live.py"

[[env.live.services]]
binding = "MAIL"
service = "mailer-live"
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "wrangler.toml"
    path.write_text(TEXT)
    return path


def test_it_takes_over_the_code_and_is_named_after_the_worker(file):
    config = load_config(file, environment="staging")
    assert (config.name, config.main) == ("shop-staging", "main.py")
    assert config.compatibility_date == "2026-06-01"
    assert config.compatibility_flags == ("python_workers",)
    assert [migration.tag for migration in config.migrations] == ["v1"]


def test_it_may_have_a_name_and_code_of_its_own(file):
    config = load_config(file, environment="live")
    assert (config.name, config.main) == ("the-shop", "live.py")


def test_variables_and_bindings_are_not_taken_over(file):
    assert load_config(file, environment="staging").services == ()
    assert load_config(file, environment="staging").vars == {"GREETING": "Hi"}
    assert load_config(file, environment="live").vars == {}
    assert load_config(file, environment="live").services[0].service == "mailer-live"


def test_what_is_not_taken_over_is_named_with_its_line(file):
    assert load_config(file, environment="staging").warning() == (
        f"{file}:\n"
        "  line 9: vars.COLOUR is not inherited, and env.staging.vars has none\n"
        "  line 11: services is not inherited: say it in env.staging, too, or env.staging has none"
    )
    assert "line 7: vars is not inherited" in load_config(file, environment="live").warning()


def test_a_binding_that_is_not_supported_counts_only_where_it_would_be_used(file):
    with pytest.raises(ConfigError, match="rpclab has no r2_buckets"):
        load_config(file)
    load_config(file, environment="staging")


def test_the_environments_are_known(file):
    assert load_config(file, environment="live").environments == ("staging", "live")


def test_one_that_is_not_there_is_answered_with_the_near_ones(file):
    with pytest.raises(ConfigError, match="there is no environment 'stagin'") as caught:
        load_config(file, environment="stagin")
    assert caught.value.__notes__ == ["did you mean 'staging'?"]
    assert caught.value.line == 18


def test_a_file_without_any_says_so(tmp_path):
    path = tmp_path / "wrangler.toml"
    path.write_text('name = "a"\nmain = "b.py"')
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment="live")
    assert caught.value.__notes__ == ["the file has no [env.…] at all"]


def test_one_of_several_files_may_lack_it_and_its_top_is_used(tmp_path):
    for name, rest in {
        "shop": "[env.live]\nvars = { X = 1 }\n",
        "mail": "[vars]\nY = 2\n",
        "log": "[vars]\nZ = 3\n[env.staging]\n",
    }.items():
        (tmp_path / name).mkdir()
        text = f'name = "{name}"\nmain = "main.py"\n{rest}'
        (tmp_path / name / "wrangler.toml").write_text(text)
    configs = {each.name: each for each in load_configs([tmp_path], environment="live")}
    assert {name: each.vars for name, each in configs.items()} == {
        "shop-live": {"X": 1}, "mail": {"Y": 2}, "log": {"Z": 3},
    }  # fmt: skip
    said = "there is no environment 'live' here: the top of the file is used"
    assert configs["shop-live"].warning() == ""
    assert f"line 1: {said}" in configs["mail"].warning()
    assert f"line 5: {said}" in configs["log"].warning()
    assert [each.environment for each in configs.values()] == ["", "", "live"]
    (tmp_path / "shop" / "main.py").write_text("def hi(env): return env.X")
    for name in ("mail", "log"):
        (tmp_path / name / "main.py").write_text("")
    with pytest.warns(ConfigWarning, match="the top of the file is used"):
        sandbox = Sandbox.from_config(tmp_path, environment="live")
    assert sorted(sandbox.workers) == ["log", "mail", "shop-live"]
    sandbox.close()


def test_one_that_no_file_has_is_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        text = f'name = "{name}"\nmain = "main.py"\n[env.live]\n'
        (tmp_path / name / "wrangler.toml").write_text(text)
    with pytest.raises(ConfigError, match="there is no environment 'liv'") as caught:
        load_configs([tmp_path], environment="liv")
    assert caught.value.__notes__ == ["did you mean 'live'?"]


def test_secrets_of_the_environment_count_where_the_top_is_used(tmp_path):
    for name, rest in {"a": "[env.live]\n", "b": ""}.items():
        (tmp_path / name).mkdir()
        text = f'name = "{name}"\nmain = "main.py"\n{rest}'
        (tmp_path / name / "wrangler.toml").write_text(text)
        (tmp_path / name / ".dev.vars.live").write_text(f"KEY={name}\n")
    configs = load_configs([tmp_path], environment="live")
    assert [each.texts for each in configs] == [{"KEY": "a"}, {"KEY": "b"}]
