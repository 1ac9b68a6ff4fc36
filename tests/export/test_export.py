"""Workers as a project in files: what is written runs, nobody's file is lost, no secret leaves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import rpclab
from rpclab.config import load_configs
from rpclab.declared import declared
from rpclab.errors import ConfigError
from rpclab.export import export
from rpclab.export.project import is_secret

SHOP = """\
from workers import DurableObject, RpcTarget, WorkerEntrypoint


class Room(DurableObject):
    async def say(self, text):
        await self.ctx.storage.put("last", text)
        return await self.ctx.storage.get("last")


class Cart(RpcTarget):
    def __init__(self):
        self._items = []

    def add(self, item):
        self._items.append(item)
        return len(self._items)


class Default(WorkerEntrypoint):
    def cart(self):
        return Cart()

    async def greet(self, who):
        return f"{self.env.GREETING} {who}, {self.env.LIMITS['most']}"

    async def ask(self):
        return await self.env.PRICES.price("tea")

    async def say(self, text):
        return await self.env.ROOM.get_by_name("hall").say(text)

    async def keep(self, text):
        await self.env.DB.prepare("INSERT INTO notes VALUES (?)").bind(text).run()
        await self.env.CACHE.put("last", text)
        return await self.env.CACHE.get("last")
"""
PRICES = """\
from workers import WorkerEntrypoint


class Reader(WorkerEntrypoint):
    def price(self, name):
        return [name, self.ctx.props["factor"] * 2]
"""


async def shop(sandbox):
    """Two Workers as cells declare them, with everything that an environment may hold."""
    sandbox.deploy("prices", source=PRICES)
    sandbox.deploy(
        "shop", source=f"\n\n{SHOP}", vars={"GREETING": "Hello", "API_TOKEN": "sesame-1"},
        json={"LIMITS": {"most": 5}, "DB_PASSWORD": ["sesame-2"]}, d1={"DB": ":memory:"},
        kv={"CACHE": "cache"}, objects={"ROOM": "Room"},
        bind={"PRICES": rpclab.binding("prices#Reader", props={"factor": 21})},
    )  # fmt: skip
    await sandbox.d1(":memory:DB").exec(
        "CREATE TABLE notes (text TEXT); CREATE INDEX n ON notes (text);"
    )
    return declared(sandbox)


async def answers(sandbox):
    env = sandbox.bind(SHOP="shop")
    return [
        await env.SHOP.greet("Ada"), await env.SHOP.ask(), await env.SHOP.cart().add("tea"),
        await env.SHOP.say("hi"), await env.SHOP.keep("note"),
    ]  # fmt: skip


async def test_what_is_exported_answers_as_the_sandbox_does(sandbox, tmp_path):
    export(await shop(sandbox), tmp_path / "project")
    secrets = {"API_TOKEN": "x", "DB_PASSWORD": "y"}
    async with rpclab.Sandbox.from_config(tmp_path / "project", vars=secrets) as other:
        assert await answers(other) == await answers(sandbox)
        assert await answers(other) == ["Hello Ada, 5", ["tea", 42], 1, "hi", "note"]


async def test_a_worker_has_a_folder_with_all_that_wrangler_wants(sandbox, tmp_path):
    exported = export(await shop(sandbox), tmp_path / "project")
    assert sorted(exported.written) == [
        ".gitignore", "CLOUDFLARE.md", "prices/main.py", "prices/pyproject.toml",
        "prices/workers.pyi", "prices/wrangler.jsonc", "pyproject.toml", "shop/main.py",
        "shop/migrations/0001_schema.sql", "shop/pyproject.toml", "shop/workers.pyi",
        "shop/wrangler.jsonc",
    ]  # fmt: skip
    config = json.loads((tmp_path / "project" / "shop" / "wrangler.jsonc").read_text())
    assert config["migrations"] == [{"tag": "v1", "new_sqlite_classes": ["Room"]}]
    assert config["compatibility_flags"] == ["python_workers"]
    assert (tmp_path / "project" / "shop" / "main.py").read_text() == SHOP


async def test_no_secret_is_written_and_each_is_named(sandbox, tmp_path):
    exported = export(await shop(sandbox), tmp_path / "project")
    texts = [path.read_text() for path in (tmp_path / "project").rglob("*") if path.is_file()]
    assert not [text for text in texts if "sesame" in text]
    assert exported.secrets == {"shop": ("API_TOKEN", "DB_PASSWORD")}
    assert "API_TOKEN, DB_PASSWORD; put a line NAME=value for each into shop/.dev.vars" in str(
        exported
    )
    assert ".dev.vars*" in (tmp_path / "project" / ".gitignore").read_text()


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("API_TOKEN", True), ("password", True), ("ApiKey", True), ("sessionKey", True),
        ("STRIPE_SECRET", True), ("DB_PASSWD", True), ("SIGNING_KEY", True),
        ("PUBLIC_KEY", False), ("KEYS", False), ("MONKEY", False), ("TOKENS_PER_DAY", False),
        ("TITLE", False), ("PUBLIC_TOKEN", False),
    ],
)  # fmt: skip
def test_a_variable_is_a_secret_by_its_name(name, secret):
    assert is_secret(name) == secret


async def test_a_secret_of_a_file_and_a_value_given_in_its_place_stay_behind(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "main.py").write_text("async def hi(_, env, ctx):\n    return 1\n")
    (folder / "wrangler.toml").write_text('name = "a"\nmain = "main.py"\n[vars]\nTITLE = "plain"\n')
    (folder / ".dev.vars").write_text("PASSWORD=sesame-1\nTITLE=sesame-2\n")
    async with rpclab.Sandbox.from_config(folder, vars={"TITLE": "sesame-3"}) as sandbox:
        exported = export(declared(sandbox), tmp_path / "b")
    texts = [path.read_text() for path in (tmp_path / "b").rglob("*") if path.is_file()]
    assert not [text for text in texts if "sesame" in text]
    assert exported.secrets == {"a": ("PASSWORD", "TITLE")}


# Nobody's file is lost.


def state(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


async def test_a_file_that_says_something_else_is_kept_and_named_and_nothing_is_written(
    sandbox, tmp_path
):
    workers = await shop(sandbox)
    export(workers[:1], tmp_path)
    mine = tmp_path / "prices" / "main.py"
    mine.write_text("# mine\n")
    before = state(tmp_path)
    with pytest.raises(ConfigError, match=r"would be replaced: .*prices/main\.py") as caught:
        export(workers, tmp_path)
    assert "--force" in caught.value.__notes__[0]
    assert state(tmp_path) == before
    forced = export(workers, tmp_path, force=True)
    assert "prices/main.py" in forced.replaced
    assert mine.read_text() == PRICES


async def test_another_export_of_the_same_changes_nothing(sandbox, tmp_path):
    workers = await shop(sandbox)
    export(workers, tmp_path)
    assert export(workers, tmp_path).written == ()


async def test_files_of_others_in_the_folder_stay_and_configurations_among_them_are_named(
    sandbox, tmp_path
):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "wrangler.toml").write_text('name = "old"')
    (tmp_path / "README.md").write_text("mine")
    exported = export(await shop(sandbox), tmp_path)
    assert exported.others == ("old/wrangler.toml",)
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("failing", [1, 4, 9, 11])
async def test_where_a_file_cannot_be_moved_all_is_as_it_was(
    sandbox, tmp_path, monkeypatch, failing
):
    workers = await shop(sandbox)
    target = tmp_path / "project"
    export(workers[:1], target)
    (target / "prices" / "main.py").write_text("# mine\n")
    (target / "pyproject.toml").write_text("# mine, too\n")
    before, calls, replace = state(tmp_path), [], Path.replace

    def full(self, to):
        calls.append(to)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        export(workers, target, force=True)
    monkeypatch.undo()
    assert state(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]


async def test_what_stands_in_the_way_of_a_folder_or_file_is_refused(sandbox, tmp_path):
    workers = await shop(sandbox)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name, make, said in (
        ("file", lambda path: path.write_text(""), "a project is a folder"),
        ("linked", lambda path: path.mkdir() or (path / "shop").symlink_to(elsewhere),
         "no folder of its own"),
        ("taken", lambda path: (path / "shop" / "main.py").mkdir(parents=True), "is a folder"),
        ("twice", lambda path: (path / "shop").mkdir(parents=True)
         or (path / "shop" / "wrangler.toml").write_text(""), "one Worker has one configuration"),
    ):  # fmt: skip
        make(tmp_path / name)
        before = state(tmp_path)
        with pytest.raises(ConfigError, match=said):
            export(workers, tmp_path / name, force=True)
        assert state(tmp_path) == before
    assert not list(elsewhere.iterdir())


async def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(sandbox, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "project" / "shop").mkdir(parents=True)
    (tmp_path / "project" / "shop" / "main.py").symlink_to(precious)
    with pytest.raises(ConfigError, match="would be replaced"):
        export(await shop(sandbox), tmp_path / "project")
    export(declared(sandbox), tmp_path / "project", force=True)
    assert precious.read_text() == "precious"


# What goes along.


async def test_names_that_wrangler_does_not_take_become_others_and_bindings_follow(
    sandbox, tmp_path
):
    source = (
        "from workers import WorkerEntrypoint\n"
        "class Default(WorkerEntrypoint):\n    def who(self): return {!r}\n"
    )
    sandbox.deploy("My Shop!", source=source.format(1))
    sandbox.deploy("my-shop", source=source.format(2))
    sandbox.deploy("../evil", source=source.format(3))
    ask = (
        source.format(0)
        + "    async def ask(self): return [await self.env[x].who() for x in 'ABC']\n"
    )
    sandbox.deploy("asks", source=ask, bind={"A": "My Shop!", "B": "my-shop", "C": "../evil"})
    exported = export(declared(sandbox), tmp_path / "in" / "project")
    assert sorted(exported.project.folders.values()) == ["asks", "evil", "my-shop", "my-shop-2"]
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["project"]
    async with rpclab.Sandbox.from_config(tmp_path / "in" / "project") as other:
        assert await other.bind(ASKS="asks").ASKS.ask() == [1, 2, 3]


async def test_modules_beside_the_code_come_along_and_keys_and_databases_do_not(tmp_path):
    folder = tmp_path / "code"
    (folder / "parts").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    for name, text in {
        "wrangler.jsonc": '{\n  // kept\n  "name": "a",\n  "main": "worker.py",\n}\n',
        "worker.py": "import parts.words\ndef hi(_, env, ctx):\n    return parts.words.HI\n",
        "parts/__init__.py": "", "parts/words.py": "HI = 'hi'\n", "page.html": "<p>", ".env": "A=b",
        "server.pem": "key", "kept.sqlite": "rows", "__pycache__/x.pyc": "", "book.ipynb": "{}",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    (folder / "link").symlink_to("/etc/passwd")
    async with rpclab.Sandbox.from_config(folder) as sandbox:
        exported = export(declared(sandbox), tmp_path / "out")
    written = {path for path in exported.written if path.startswith("a/")}
    assert written == {
        "a/wrangler.jsonc", "a/worker.py", "a/parts/__init__.py", "a/parts/words.py", "a/page.html",
        "a/pyproject.toml", "a/workers.pyi",
    }  # fmt: skip
    text = (tmp_path / "out" / "a" / "wrangler.jsonc").read_text()
    assert text == (folder / "wrangler.jsonc").read_text()
    for name in ("server.pem", "kept.sqlite", "book.ipynb", ".env", "link"):
        assert f"{name} stays behind" in str(exported)
    async with rpclab.Sandbox.from_config(tmp_path / "out") as other:
        assert await other.bind(A="a").A.hi(0) == "hi"


async def test_a_toml_becomes_json_with_the_comments_above_its_keys(tmp_path):
    (tmp_path / "main.py").write_text("def hi(_, env, ctx):\n    return 1\n")
    (tmp_path / "wrangler.toml").write_text("""\
name = "a"
main = "main.py"

# What the pages say.
# On two lines.
[vars]
TITLE = "x # no comment"

# The first one,
[[services]]
binding = "A"
service = "a"

# and the second.
[[services]]
binding = "B"
service = "a"

[env.staging]
# Another one.
vars = { TITLE = "y" }
""")
    async with rpclab.Sandbox.from_config(tmp_path) as sandbox:
        export(declared(sandbox), tmp_path / "out")
    [config] = load_configs([tmp_path / "out"], environment="staging")
    assert (config.name, config.vars) == ("a-staging", {"TITLE": "y"})
    comments = [
        line.strip() for line in (tmp_path / "out" / "a" / "wrangler.jsonc").read_text().split("\n")
        if line.strip().startswith("//")
    ]  # fmt: skip
    assert comments == [
        "// What the pages say.", "// On two lines.", "// The first one,", "// and the second.",
        "// Another one.",
    ]  # fmt: skip


async def test_the_migrations_that_were_applied_come_along_once(sandbox, tmp_path):
    folder = tmp_path / "sql"
    folder.mkdir()
    (folder / "0001_a.sql").write_text("CREATE TABLE a (x);")
    (folder / "0002_b.sql").write_text("CREATE TABLE b (x);")
    for name in ("one", "two"):
        sandbox.deploy(name, source="def hi(_, env, ctx): return 1", d1={"DB": ":memory:shared"})
    await sandbox.migrate("two", "DB", folder)
    exported = export(declared(sandbox), tmp_path / "out")
    assert [path for path in exported.written if path.endswith(".sql")] == [
        "one/migrations/0001_a.sql", "one/migrations/0002_b.sql",
    ]  # fmt: skip
    one, two = load_configs([tmp_path / "out"])
    assert one.d1_databases[0].key == two.d1_databases[0].key


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import asyncio\nawait asyncio.sleep(0)\n", "a cell may and a module may not"),
        ("x = 1\nget_ipython().run_line_magic('time', '')\n", "a line of IPython's"),
    ],
)
async def test_code_that_only_a_cell_can_hold_is_refused_with_its_line(
    sandbox, tmp_path, source, said
):
    sandbox.deploy("cell", source="x = 1")
    [worker] = declared(sandbox)
    worker.source = source
    with pytest.raises(ConfigError, match=said) as caught:
        export([worker], tmp_path / "out")
    assert caught.value.line == 2
    assert not (tmp_path / "out").exists()


def test_without_workers_there_is_nothing_to_export(sandbox, tmp_path):
    with pytest.raises(ConfigError, match="no Worker is deployed"):
        export(declared(sandbox), tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_a_variable_of_a_configuration_that_is_a_secret_by_its_name_stays_behind(tmp_path):
    (tmp_path / "main.py").write_text("def hi(_, env, ctx):\n    return env.API_TOKEN\n")
    (tmp_path / "wrangler.jsonc").write_text(
        '{"name": "a", "main": "main.py", "vars": {"API_TOKEN": "sesame-1", "X": "x"},'
        ' "env": {"staging": {"vars": {"API_TOKEN": "sesame-2"}}}}'
    )
    async with rpclab.Sandbox.from_config(tmp_path) as sandbox:
        exported = export(declared(sandbox), tmp_path / "out")
    texts = [path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [text for text in texts if "sesame" in text]
    assert exported.secrets == {"a": ("API_TOKEN",)}
    [staging] = load_configs([tmp_path / "out"], environment="staging")
    assert (staging.required_secrets, dict(staging.vars)) == (("API_TOKEN",), {})
    async with rpclab.Sandbox.from_config(tmp_path / "out", vars={"API_TOKEN": "y"}) as other:
        assert await other.bind(A="a").A.hi(0) == "y"


async def test_an_export_into_its_own_source_takes_no_export_along(tmp_path):
    (tmp_path / "main.py").write_text("def hi(_, env, ctx):\n    return 1\n")
    (tmp_path / "wrangler.jsonc").write_text('{"name": "a", "main": "main.py"}')
    async with rpclab.Sandbox.from_config(tmp_path) as sandbox:
        first = export(declared(sandbox), tmp_path / "out")
        assert export(declared(sandbox), tmp_path / "out").written == ()
    assert not [path for path in first.written if "out" in path]


async def test_code_and_migrations_that_stand_elsewhere_come_along(tmp_path):
    for name in ("config", "code", "sql"):
        (tmp_path / name).mkdir()
    (tmp_path / "code" / "worker.py").write_text(
        "import words\ndef hi(_, env, ctx): return words.HI\n"
    )
    (tmp_path / "code" / "words.py").write_text("HI = 'hi'\n")
    (tmp_path / "sql" / "0001_a.sql").write_text("CREATE TABLE a (x);")
    (tmp_path / "config" / "wrangler.toml").write_text(
        'name = "a"\nmain = "../code/worker.py"\n[[d1_databases]]\nbinding = "DB"\n'
        'migrations_dir = "../sql"\n'
    )
    async with rpclab.Sandbox.from_config(tmp_path / "config") as sandbox:
        export(declared(sandbox), tmp_path / "out")
    async with rpclab.Sandbox.from_config(tmp_path / "out") as other:
        assert await other.bind(A="a").A.hi(0) == "hi"
        rows = await other.worker("a").env.DB.prepare("SELECT name FROM d1_migrations").all()
    assert [row["name"] for row in rows.results] == ["0001_a.sql"]


async def test_a_worker_that_was_deployed_for_an_environment_is_exported_with_all_of_them(tmp_path):
    (tmp_path / "main.py").write_text("def hi(_, env, ctx):\n    return env.X\n")
    (tmp_path / "wrangler.jsonc").write_text(
        '{"name": "a", "main": "main.py", "vars": {"X": "top"},'
        ' "env": {"staging": {"vars": {"X": "staging"}}}}'
    )
    async with rpclab.Sandbox.from_config(tmp_path, environment="staging") as sandbox:
        export(declared(sandbox), tmp_path / "out")
    for environment, name, said in ((None, "a", "top"), ("staging", "a-staging", "staging")):
        async with rpclab.Sandbox.from_config(tmp_path / "out", environment=environment) as other:
            assert await other.bind(A=name).A.hi(0) == said


async def test_a_refused_export_leaves_no_folders(sandbox, tmp_path):
    sandbox.deploy("cell", source="x = 1")
    [worker] = declared(sandbox)
    worker.source = "await x\n"
    with pytest.raises(ConfigError):
        export([worker], tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.iterdir())


async def test_a_worker_in_processes_of_its_own_is_exported_to_run_there(sandbox, tmp_path):
    sandbox.deploy("one", source=PRICES, placement="process")
    sandbox.deploy("two", source=PRICES, placement=rpclab.processes(2, calls=7, cpu_seconds=9))
    sandbox.deploy("here", source=PRICES)
    exported = export(declared(sandbox), tmp_path / "project")
    configs = {config.name: config for config in load_configs([tmp_path / "project"])}
    assert {name: config.placement for name, config in configs.items()} == {
        "one": "process", "two": "process:2", "here": "",
    }  # fmt: skip
    notes = [note.text for note in exported.project.notes]
    assert notes == ["bounds, calls of its processes: no configuration can say it"]


async def test_a_worker_that_was_moved_keeps_its_configuration_and_the_move_is_named(tmp_path):
    (tmp_path / "prices.py").write_text(PRICES)
    (tmp_path / "wrangler.jsonc").write_text('{"name": "prices", "main": "prices.py"}')
    async with rpclab.Sandbox.from_config(tmp_path / "wrangler.jsonc") as sandbox:
        moved = replace(declared(sandbox)[0], placement=rpclab.processes())
        exported = export([moved], tmp_path / "project")
    assert "another place than its configuration says: placement = 'process'" in str(exported)
