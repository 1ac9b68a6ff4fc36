"""The types of a configuration are those of all its environments, unless one is named."""

import pytest

from rpclab.cli import main
from rpclab.typegen.of_workers import types_of_configs

SHOP = """\
name = "shop"
main = "main.py"
[vars]
MODE = "test"
LIMITS = { most = 5 }
[[services]]
binding = "MAIL"
service = "mail"
[env.live]
[env.live.vars]
MODE = "live"
LIMITS = { most = 50 }
REGION = "eu"
[[env.live.services]]
binding = "MAIL"
service = "mail-live"
[[env.live.services]]
binding = "LOG"
service = "log"
[[env.live.d1_databases]]
binding = "DB"
[env.beta.vars]
MODE = { name = "beta" }
LIMITS = { most = "all" }
[[env.beta.services]]
binding = "MAIL"
service = "log"
[env.beta.secrets]
required = ["REGION", "TOKEN"]
"""
MAIL = """\
name = "mail"
main = "main.py"
[env.live]
[env.beta]
"""
LOG = 'name = "log"\nmain = "main.py"\n'
CODES = {
    "shop": "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint): pass\n",
    "mail": "def send(text): return 1\n",
    "log": "def note(text): return None\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in {"shop": SHOP, "mail": MAIL, "log": LOG}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "wrangler.toml").write_text(text)
        (tmp_path / name / "main.py").write_text(CODES[name])
    return tmp_path


def env_of(text):
    """The variables of `Env` and their types."""
    body = text.partition("class Env(typed.Env):\n")[2].partition("    @overload")[0]
    return dict(line.strip().split(": ", 1) for line in body.splitlines() if line)


def test_what_any_environment_says_is_known_with_the_type_of_each(folder):
    written = types_of_configs([folder])[folder / "shop" / "wrangler.toml"]
    assert env_of(written.text) == {
        "MAIL": "MailBinding | LogBinding",
        "MODE": 'Literal["test", "live"] | Mode',
        "LIMITS": "Limits | Limits2",
        "LOG": "LogBinding",
        "DB": "rpclab.workers.d1.database.D1Database",
        "REGION": "str",
        "TOKEN": "str",
    }
    assert written.unknown == ()
    assert "class MailLiveBinding" not in written.text


def test_one_environment_is_that_alone(folder, capsys):
    written = types_of_configs([folder], "live")
    shop = written[folder / "shop" / "wrangler.toml"]
    assert env_of(shop.text) == {
        "MAIL": "MailLiveBinding",
        "LOG": "LogBinding",
        "DB": "rpclab.workers.d1.database.D1Database",
        "MODE": 'Literal["live"]',
        "REGION": 'Literal["eu"]',
        "LIMITS": "Limits",
    }
    assert main(["types", str(folder / "shop"), "-e", "live", "-o", "-"]) == 0
    assert "REGION" in capsys.readouterr().out


def test_a_secret_that_a_configuration_needs_is_known_before_there_is_a_file(folder):
    [written] = types_of_configs([folder / "shop"], "beta").values()
    assert env_of(written.text)["TOKEN"] == "str"


def test_a_worker_that_nobody_knows_is_named_once(folder):
    [written] = types_of_configs([folder / "shop"]).values()
    assert env_of(written.text)["MAIL"] == "Any"
    assert sorted(sentence.partition(",")[0] for sentence in written.unknown) == [
        'env.LOG: the Worker "log" is not among those given',
        'env.MAIL: the Worker "log" is not among those given',
        'env.MAIL: the Worker "mail" is not among those given',
        'env.MAIL: the Worker "mail-live" is not among those given',
    ]
