"""Named environments: what they take over, and what they say for themselves."""

import pytest

from rpclab.config import load_config
from rpclab.errors import ConfigError

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
