"""Workers deployed as their files say."""

import sys

import pytest

import rpclab
from rpclab.errors import ConfigError, ConfigWarning

COUNTER = """\
from workers import RpcTarget, WorkerEntrypoint

class Counter(RpcTarget):
    def __init__(self, start): self._value = start
    def increment(self):
        self._value += 1
        return self._value

class CounterService(WorkerEntrypoint):
    def new_counter(self): return Counter(self.ctx.props["start"])
"""
CLIENT = """\
from workers import WorkerEntrypoint, env

class Default(WorkerEntrypoint):
    async def greet(self):
        return f"{self.env.GREETING} {await env.COUNTER.new_counter().increment()}"
    def limits(self): return self.env.LIMITS
"""
CLIENT_CONFIG = """\
{
  "name": "client",
  "main": "src/main.py", // beside it
  "vars": {"GREETING": "Hello", "LIMITS": {"most": 5}},
  "services": [{
    "binding": "COUNTER", "service": "counter-service", "entrypoint": "CounterService",
    "props": {"start": 10},
  }],
  "env": {"live": {"vars": {"GREETING": "Hi", "LIMITS": {}}, "services": [
    {"binding": "COUNTER", "service": "counter-service-live", "entrypoint": "CounterService",
     "props": {"start": 100}}]}},
}
"""
NAMED = 'name = "a"\nmain = "a.py"\n'
COUNTER_CONFIG = 'name = "counter-service"\nmain = "counter.py"\n[env.live]\n'


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def shop(tmp_path):
    write(
        tmp_path,
        {
            "client/wrangler.jsonc": CLIENT_CONFIG,
            "client/src/main.py": CLIENT,
            "counter/wrangler.toml": COUNTER_CONFIG,
            "counter/counter.py": COUNTER,
        },
    )
    return tmp_path


async def test_each_file_is_a_worker(shop):
    files = [shop / "client" / "wrangler.jsonc", shop / "counter" / "wrangler.toml"]
    async with rpclab.Sandbox.from_config(*files) as sandbox:
        env = sandbox.bind(CLIENT="client")
        assert await env.CLIENT.greet() == "Hello 11"
        assert await env.CLIENT.limits() == {"most": 5}


async def test_a_folder_means_every_file_below_it(shop):
    hidden = ["node_modules/x/wrangler.toml", ".git/wrangler.toml", "client/wrangler.toml"]
    write(shop, dict.fromkeys(hidden, "nonsense"))
    async with rpclab.Sandbox.from_config(str(shop)) as sandbox:
        assert sorted(sandbox.workers) == ["client", "counter-service"]


async def test_an_environment_is_meant_in_each_file(shop):
    async with rpclab.Sandbox.from_config(shop, environment="live") as sandbox:
        assert sorted(sandbox.workers) == ["client-live", "counter-service-live"]
        env = sandbox.bind(CLIENT="client-live")
        assert await env.CLIENT.greet() == "Hi 101"


async def test_options_are_those_of_a_sandbox(shop):
    async with rpclab.Sandbox.from_config(shop, record=True) as sandbox:
        assert sandbox.engine.sites


def test_an_entrypoint_that_is_not_there_is_named_with_its_line(shop):
    text = (shop / "client" / "wrangler.jsonc").read_text()
    (shop / "client" / "wrangler.jsonc").write_text(text.replace("CounterService", "CounterServic"))
    with pytest.raises(ConfigError, match=r"wrangler\.jsonc:5: the Worker .* exports no") as caught:
        rpclab.Sandbox.from_config(shop)
    assert caught.value.__notes__ == ["did you mean 'CounterService'?"]


def test_what_has_no_effect_is_one_warning_that_names_the_caller(tmp_path):
    text = 'name = "a"\nmain = "a.py"\nworkers_dev = true\nroutes = ["x"]\n'
    write(tmp_path, {"wrangler.toml": text, "a.py": ""})
    with pytest.warns(ConfigWarning) as caught:
        rpclab.Sandbox.from_config(tmp_path).close()
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "line 3: workers_dev is about deploying" in str(caught[0].message)
    assert "line 4: routes has no effect" in str(caught[0].message)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no wrangler.json or wrangler.jsonc or wrangler.toml below it"),
        ({"wrangler.toml": 'name = "a"\nmain = "a.js"'}, "main is a .py file, not 'a.js'"),
        ({"wrangler.toml": 'name = "a"\nmain = "a.py"'}, "main = 'a.py' cannot be read: No such"),
        (
            {
                "b/wrangler.toml": 'name = "a"\nmain = "a.py"',
                "c/wrangler.toml": 'name = "a"\nmain = "a.py"',
            },
            'the name "a" is taken by ',
        ),
    ],
)
def test_files_that_make_no_worker_are_named(tmp_path, files, said):
    write(tmp_path, files)
    with pytest.raises(ConfigError) as caught:
        rpclab.Sandbox.from_config(tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_path_that_is_nothing_is_named(tmp_path):
    with pytest.raises(ConfigError, match="there is no such file"):
        rpclab.Sandbox.from_config(tmp_path / "wrangler.toml")
    write(tmp_path, {"wrangler.yaml": ""})
    with pytest.raises(ConfigError, match=r"is a \.toml or \.jsonc or \.json file, not \.yaml"):
        rpclab.Sandbox.from_config(tmp_path / "wrangler.yaml")


def test_code_that_fails_fails_there_and_leaves_no_sandbox(tmp_path):
    write(tmp_path, {"wrangler.toml": NAMED, "a.py": "x = 1\n1/0"})
    with pytest.raises(ZeroDivisionError) as caught:
        rpclab.Sandbox.from_config(tmp_path)
    assert caught.traceback[-1].path == tmp_path / "a.py"
    assert caught.traceback[-1].lineno == 1


async def test_a_worker_reads_a_file_beside_its_code(tmp_path):
    code = """\
from pathlib import Path
def page(_, env, ctx): return Path(__file__).with_name("page.html").read_text()
"""
    write(tmp_path, {"wrangler.toml": NAMED, "a.py": code, "page.html": "<p>hi"})
    async with rpclab.Sandbox.from_config(tmp_path) as sandbox:
        assert await sandbox.bind(A="a").A.page(None) == "<p>hi"


async def test_databases_have_their_tables_and_are_shared_by_id(tmp_path):
    config = """\
name = "{0}"
main = "{0}.py"
[[d1_databases]]
binding = "DB"
database_id = "same"
{1}
"""
    code = """\
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def add(self, text):
        await self.env.DB.prepare("INSERT INTO todos VALUES (?)").bind(text).run()
    async def texts(self): return await self.env.DB.prepare("SELECT * FROM todos").raw()
"""
    write(
        tmp_path,
        {
            "a/wrangler.toml": config.format("a", 'migrations_dir = "sql"'),
            "a/a.py": code,
            "a/sql/0001_todos.sql": "CREATE TABLE todos (text)",
            "b/wrangler.toml": config.format("b", ""),
            "b/b.py": code,
        },
    )
    async with rpclab.Sandbox.from_config(tmp_path) as sandbox:
        env = sandbox.bind(A="a", B="b")
        await env.A.add("milk")
        assert await env.B.texts() == [["milk"]]
    assert "a" not in sys.modules


async def test_kv_namespaces_are_shared_by_id_and_kept_where_the_sandbox_keeps_things(tmp_path):
    config = """\
name = "{0}"
main = "main.py"
kv_namespaces = [{{ binding = "CACHE", id = "<same>" }}, {{ binding = "OWN" }}]
"""
    code = """\
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def add(self):
        await self.env.CACHE.put("a", "shared")
        await self.env.OWN.put("a", "own")
    async def read(self):
        return [await self.env.CACHE.get("a"), await self.env.OWN.get("a")]
"""
    for name in ("one", "two"):
        write(tmp_path, {f"{name}/wrangler.toml": config.format(name), f"{name}/main.py": code})
    folder = tmp_path / "kept"
    async with rpclab.Sandbox.from_config(tmp_path, storage=folder) as sandbox:
        env = sandbox.bind(ONE="one", TWO="two")
        await env.ONE.add()
        assert await env.TWO.read() == ["shared", None]
    async with rpclab.Sandbox.from_config(tmp_path, storage=folder) as sandbox:
        assert await sandbox.bind(ONE="one").ONE.read() == ["shared", "own"]
    async with rpclab.Sandbox.from_config(tmp_path) as sandbox:
        assert await sandbox.bind(ONE="one").ONE.read() == [None, None]


ROOMS = """\
from workers import DurableObject, WorkerEntrypoint
class Room(DurableObject):
    async def enter(self):
        visits = (await self.ctx.storage.get("visits") or 0) + 1
        await self.ctx.storage.put("visits", visits)
        return visits
class Default(WorkerEntrypoint):
    async def enter(self): return await self.env.ROOMS.get_by_name("lobby").enter()
"""
ROOMS_CONFIG = """\
name = "rooms"
main = "rooms.py"
[durable_objects]
bindings = [{ name = "ROOMS", class_name = "Room" }]
[[migrations]]
tag = "v1"
new_sqlite_classes = ["Room"]
"""
GUEST_CONFIG = """\
name = "guest"
main = "guest.py"
[durable_objects]
bindings = [{ name = "ROOMS", class_name = "Room", script_name = "rooms" }]
"""
GUEST = """\
def enter(_, env, ctx): return env.ROOMS.get_by_name("lobby").enter()
"""


@pytest.fixture
def hotel(tmp_path):
    write(
        tmp_path,
        {
            "hotel/guest/wrangler.toml": GUEST_CONFIG,
            "hotel/guest/guest.py": GUEST,
            "hotel/rooms/wrangler.toml": ROOMS_CONFIG,
            "hotel/rooms/rooms.py": ROOMS,
        },
    )
    return tmp_path / "hotel"


async def test_durable_objects_of_its_own_and_of_another_worker(hotel):
    async with rpclab.Sandbox.from_config(hotel) as sandbox:
        env = sandbox.bind(ROOMS="rooms", GUEST="guest")
        assert await env.ROOMS.enter() == 1
        assert await env.GUEST.enter(None) == 2


async def test_what_is_stored_is_there_in_the_next_sandbox_of_the_folder(hotel, tmp_path):
    write(hotel, {"rooms/wrangler.toml": ROOMS_CONFIG + DATABASE, "rooms/rooms.py": ROOMS + TABLES})
    for visits in (1, 2):
        async with rpclab.Sandbox.from_config(hotel, storage=tmp_path / "kept") as sandbox:
            env = sandbox.bind(ROOMS="rooms", TABLES="rooms#Tables")
            assert await env.ROOMS.enter() == visits
            assert await env.TABLES.add() == visits


async def test_databases_of_like_names_are_two_files(tmp_path):
    source = TABLES.replace("class", "from workers import WorkerEntrypoint\nclass", 1)
    for worker, name in (("one", "my db"), ("two", "my/db")):
        text = f'name = "{worker}"\nmain = "main.py"\n{DATABASE}'.replace("the/visits", name)
        write(tmp_path, {f"{worker}/wrangler.toml": text, f"{worker}/main.py": source})
    async with rpclab.Sandbox.from_config(tmp_path, storage=tmp_path / "kept") as sandbox:
        env = sandbox.bind(ONE="one#Tables", TWO="two#Tables")
        assert [await env.ONE.add(), await env.TWO.add()] == [1, 1]


DATABASE = '[[d1_databases]]\nbinding = "DB"\ndatabase_name = "the/visits"\n'
TABLES = """
class Tables(WorkerEntrypoint):
    async def add(self):
        await self.env.DB.exec("CREATE TABLE IF NOT EXISTS visits (at)")
        await self.env.DB.exec("INSERT INTO visits VALUES (0)")
        return await self.env.DB.prepare("SELECT COUNT(*) AS n FROM visits").first("n")
"""


@pytest.mark.parametrize("name", ["guest", "rooms"])
def test_a_class_that_is_not_there_is_named_with_its_line(hotel, name):
    file = hotel / name / "wrangler.toml"
    file.write_text(file.read_text().replace('"Room"', '"Rom"'))
    with pytest.raises(ConfigError, match=r"wrangler\.toml:4: the Worker .*Rom") as caught:
        rpclab.Sandbox.from_config(hotel)
    assert caught.value.__notes__ == ["did you mean 'Room'?"]
