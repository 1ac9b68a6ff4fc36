"""What a configuration says of one Worker: every key, and what is refused."""

import re
from pathlib import Path

import pytest

from rpclab.config import Document, read_config
from rpclab.config.keys import AT_TOP, IN_ENVIRONMENT, REFUSED, WITHOUT_EFFECT
from rpclab.config.worker_config import Migration
from rpclab.errors import ConfigError

NAMED = 'name = "a"\nmain = "main.py"\n'

FULL = """\
name = "shop"
main = "src/main.py"
compatibility_date = "2026-06-01"
compatibility_flags = ["python_workers"]

[vars]
GREETING = "Hello"
LIMITS = { most = 5, sizes = [1, 2] }

[[services]]
binding = "COUNTER"
service = "counter-service"
entrypoint = "CounterService"
props = { room = "lobby" }

[[services]]
binding = "MAIL"
service = "mailer"

[[kv_namespaces]]
binding = "CACHE"
id = "c0ffee"
preview_id = "any"

[[kv_namespaces]]
binding = "OWN"

[[d1_databases]]
binding = "DB"
database_name = "shop-db"
database_id = "1f"

[durable_objects]
bindings = [
    { name = "ROOMS", class_name = "Room" },
    { name = "CARTS", class_name = "Cart", script_name = "carts" },
]

[[migrations]]
tag = "v1"
new_sqlite_classes = ["Room"]

[[migrations]]
tag = "v2"
renamed_classes = [{ from = "Room", to = "Hall" }]
deleted_classes = ["Old"]
"""


def read(text, environment=None, folder=Path()):
    return read_config(Document(text, "f"), folder=folder, environment=environment)


def refusal(text, environment=None, folder=Path()):
    with pytest.raises(ConfigError) as caught:
        read(text, environment, folder)
    return "; ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_every_supported_key_is_understood():
    config = read(FULL)
    assert (config.name, config.main) == ("shop", "src/main.py")
    assert config.texts == {"GREETING": "Hello"}
    assert config.values == {"LIMITS": {"most": 5, "sizes": [1, 2]}}
    assert [service.target for service in config.services] == [
        "counter-service#CounterService",
        "mailer#Default",
    ]
    assert config.services[0].props == {"room": "lobby"}
    assert [(each.binding, each.key) for each in config.d1_databases] == [("DB", "1f")]
    assert [(each.binding, each.id) for each in config.kv_namespaces] == [
        ("CACHE", "c0ffee"),
        ("OWN", "shop-OWN"),
    ]
    assert [each.target for each in config.durable_objects] == ["Room", "carts#Cart"]
    assert config.migrations == (
        Migration("v1", new_classes=("Room",)),
        Migration("v2", renamed_classes=(("Room", "Hall"),), deleted_classes=("Old",)),
    )
    assert config.compatibility_flags == ("python_workers",)
    stays = (
        "changes no storage here: what objects keep stands in <storage>/objects, under their class"
    )
    assert [note.text for note in config.notes] == [
        f"renamed_classes {stays}",
        f"deleted_classes {stays}",
    ]


def test_json_says_the_same_as_toml():
    text = '{"name": "a", "main": "m.py", "services": [{"binding": "B", "service": "b"}]}'
    toml = 'name = "a"\nmain = "m.py"\n[[services]]\nbinding = "B"\nservice = "b"\n'
    ours, theirs = read(text), read(toml)
    assert (ours.name, ours.main) == (theirs.name, theirs.main)
    assert ours.services[0].target == theirs.services[0].target


def test_a_configuration_cannot_be_changed():
    with pytest.raises(AttributeError):
        read(NAMED).name = "b"


def test_the_folder_of_migrations_is_the_named_one_or_the_usual_one_if_it_is_there(tmp_path):
    text = NAMED + '[[d1_databases]]\nbinding = "DB"\n'
    assert read(text, folder=tmp_path).d1_databases[0].migrations_dir is None
    (tmp_path / "migrations").mkdir()
    assert read(text, folder=tmp_path).d1_databases[0].migrations_dir == tmp_path / "migrations"
    named = text + 'migrations_dir = "sql"\n'
    assert refusal(named, folder=tmp_path).startswith("f:5:1: there is no folder ")
    (tmp_path / "sql").mkdir()
    assert read(named, folder=tmp_path).d1_databases[0].migrations_dir == tmp_path / "sql"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NAMED + "servics = 1", "f:3:1: unknown key servics; did you mean 'services'"),
        (NAMED + "\n[[services]]\nbindin = 'A'", "f:5:1: unknown key services[0].bindin; did you"),
        (NAMED + "[env.a]\n[env.a.service]", "f:4:8: unknown key env.a.service; did you mean 'ser"),
        (NAMED + "[env.a.dev]\n", "f:3:8: unknown key env.a.dev"),
        (NAMED + "[durable_objects]\nbinding = []", "f:4:1: unknown key durable_objects.binding;"),
        ('main = "m.py"', "f:1:1: the file has no 'name'"),
        ('name = "a"', "f:1:1: the file has no 'main'"),
        ('name = ""\nmain = "b"', "f:1:1: name is empty"),
        ('name = 5\nmain = "b"', "f:1:1: name is a text, not a whole number"),
        ('name = "a b"\nmain = "b"', "f:1:1: the name of a Worker has letters, digits, - and _"),
        (NAMED + "[services]\nbinding = 'A'", "f:3:2: services is an array, not a table; in TOML"),
        (NAMED + "[[services]]\nbinding = 'A'", "f:3:3: services[0] has no 'service'"),
        (NAMED + "services = ['a']", "f:3:13: services[0] is a table, not a text"),
        (NAMED + "vars = ['a']", "f:3:1: vars is a table, not an array"),
        (NAMED + "vars.A = 2024-01-01", "f:3:6: vars.A is no JSON value: write it as a text"),
        (NAMED + "compatibility_date = 2024-01-01", "f:3:1: compatibility_date is a text: quote"),
        (NAMED + "compatibility_date = 'new'", "f:3:1: compatibility_date is yyyy-mm-dd"),
        (NAMED + "compatibility_flags = [1]", "f:3:24: compatibility_flags holds texts"),
        (
            NAMED + "[[services]]\nbinding='A'\nservice='b'\nenvironment='live'",
            'f:6:1: services have no environment any more; service = "b-live"',
        ),
        (
            NAMED + "[vars]\nA = 'x'\n[[services]]\nbinding='A'\nservice='b'",
            "f:6:1: env.A is given twice: here and in vars",
        ),
        (
            NAMED + "[[kv_namespaces]]\nbinding='A'\n[[kv_namespaces]]\nbinding='A'",
            "f:6:1: env.A is given twice: here and in kv_namespaces[0]",
        ),
        (
            NAMED + "[[kv_namespaces]]\nbinding='A'\nidd='b'",
            "f:5:1: unknown key",
        ),
        (
            NAMED + "[[d1_databases]]\nbinding='A'\n[[services]]\nbinding='A'\nservice='b'",
            "f:4:1: env.A is given twice: here and in services[0]",
        ),
        (
            NAMED + "[[migrations]]\ntag='v1'\ntransferred_classes=[]",
            "f:5:1: rpclab does not move objects",
        ),
        (NAMED + "[[r2_buckets]]\nbinding = 'A'", "f:3:3: rpclab has no r2_buckets, and the"),
        (NAMED + "[assets]\ndirectory='p'\nbinding='A'", "f:5:1: rpclab has no assets, and the"),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(text, said):
    assert refusal(text).startswith(said)


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_what_code_depends_on_is_refused_with_advice(key):
    said = refusal(NAMED + f'{key} = {{ A = "a" }}')
    assert re.match(rf"f:3:1: rpclab has no {key}, and the Worker's code needs it; \w", said)


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_an_empty_list_of_it_asks_for_nothing(key):
    assert read(NAMED + f"{key} = []").notes == ()


@pytest.mark.parametrize("key", sorted(WITHOUT_EFFECT))
def test_what_concerns_the_platform_is_named_in_a_warning(key):
    config = read(NAMED + f'{key} = "x"' if key != "assets" else NAMED + "[assets]")
    assert config.warning().startswith(f"f:\n  line 3: {key} ")


def test_the_schema_of_an_editor_is_passed_over():
    assert read('{"$schema": "x.json", "name": "a", "main": "b.py"}').notes == ()


def test_every_key_has_one_fate():
    assert not REFUSED.keys() & WITHOUT_EFFECT.keys()
    assert IN_ENVIRONMENT < AT_TOP
    assert REFUSED.keys() | WITHOUT_EFFECT.keys() <= AT_TOP


def test_another_compatibility_date_and_flags_are_noted_but_warn_of_nothing():
    config = read(NAMED + 'compatibility_date = "2024-04-03"\ncompatibility_flags = ["x"]')
    assert [note.line for note in config.notes] == [3, 4]
    assert "the behaviour here is that of 2026-06-01" in config.notes[0].text
    assert config.warning() == ""


def test_a_remote_binding_is_the_one_in_this_sandbox():
    config = read(NAMED + "[[services]]\nbinding='A'\nservice='b'\nremote = true")
    assert (
        config.warning()
        == "f:\n  line 6: `remote` has no effect: it leads to what is in this sandbox"
    )


def test_a_placement_of_ours_is_read_and_inherited(tmp_path):
    text = 'name = "a"\nmain = "a.py"\n[rpclab]\nplacement = "process:4"\n[env.b]\n'
    for environment in (None, "b"):
        document = Document(text, "wrangler.toml")
        config = read_config(document, folder=tmp_path, environment=environment)
        assert config.placement == "process:4"
        assert not config.notes


@pytest.mark.parametrize("placement", ["moon", "process:0", "process:x", "Process"])
def test_a_placement_that_is_none_is_an_error_with_its_line(tmp_path, placement):
    text = f'name = "a"\nmain = "a.py"\n[rpclab]\nplacement = "{placement}"\n'
    with pytest.raises(ConfigError, match="is no placement") as caught:
        read_config(Document(text, "wrangler.toml"), folder=tmp_path)
    assert caught.value.line == 4
