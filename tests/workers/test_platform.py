"""Workers written for Cloudflare's Python run as they are, as far as rpclab has what they need."""

from __future__ import annotations

import json
import re
import sys

import pytest
from support.world import failure

import rpclab
from rpclab.errors import ConfigWarning

NAMED = '{{"name": "w", "main": "src/entry.py", "compatibility_flags": ["python_workers"]{}}}'

HELLO = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response("Hello!")
"""
KEYS_AND_VALUES = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        await self.env.CACHE.put("seen", "yes")
        return Response(await self.env.CACHE.get("seen"))
"""
ASGI = """
from workers import WorkerEntrypoint
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError("no lifespan")
    text = f"{scope['path']} {scope['env'].MESSAGE}"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"asgi")]})
    await send({"type": "http.response.body", "body": text.encode()})
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        import asgi
        return await asgi.fetch(app, request.js_object, self.env)
"""
DATABASE = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        results = await self.env.DB.prepare("SELECT 'quoted' AS quote").all()
        return Response.json(results.results[0])
"""
OBJECTS = """
from urllib.parse import urlparse
from pyodide.ffi import to_js
from workers import DurableObject, Response, WorkerEntrypoint
class Notes(DurableObject):
    async def add(self, text):
        notes = await self.ctx.storage.get("notes") or []
        await self.ctx.storage.put("notes", to_js([*notes, text]))
        return await self.ctx.storage.get("notes")
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        stub = self.env.NOTES.get(self.env.NOTES.idFromName("a"))
        return Response("+".join(await stub.add(urlparse(request.url).path)))
"""
CRON = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def scheduled(self, controller, env, ctx):
        print("tick")
    async def fetch(self):
        return Response("wait for it")
"""
PICTURE = """
from io import BytesIO
from pathlib import Path
from pyodide.ffi import to_js
from workers import Request, Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request: Request):
        data = BytesIO(Path(__file__).with_name("dot.bin").read_bytes()).getvalue()
        return Response(to_js(data).buffer, headers={"Content-Type": "image/png"})
"""
METHODS = """
import textwrap
from workers import Request, Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request: Request):
        return Response(str(await self.ctx.exports.Default.shorten("a b c")))
    async def shorten(self, text: str, width: int = None) -> dict:
        return {"text": textwrap.shorten(text, width or 3, placeholder="")}
"""
CLIENTS = """
import urllib.request
from http.client import HTTPConnection
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = "/" + request.url.split("/", 3)[-1]
        return Response.json({"path": path}) if path == "/" else self.fetch_sync()
    def fetch_sync(self):
        return Response(HTTPConnection("example.com").host)
"""
WSGI = """
import os
from workers import WorkerEntrypoint, wsgi
os.environ.setdefault("SITE_SETTINGS", "site_.settings")
from site_.wsgi import application
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await wsgi.fetch(application, request, self.env)
"""
SITE = {
    "src/site_/__init__.py": "",
    "src/site_/settings.py": "URLS = 'site_.urls'\nSECRET = 'hush'",
    "src/site_/urls.py": "from site_.views import hello\npatterns = {'/': hello}",
    "src/site_/views.py": "def hello(environ): return f\"hello {environ['PATH_INFO']}\"",
    "src/site_/wsgi.py": "from framework import make\napplication = make('site_.settings')",
}
FRAMEWORK = """
import importlib
def make(settings):
    settings = importlib.import_module(settings)
    def application(environ, start_response):
        urls = importlib.import_module(settings.URLS)  # at the first request, as Django does
        start_response("200 OK", [("content-type", "text/plain")])
        return [urls.patterns[environ["PATH_INFO"]](environ).encode()]
    return application
"""

FORMS = {
    "hello": (HELLO, "", b"Hello!"),
    "kv": (
        KEYS_AND_VALUES,
        ', "kv_namespaces": [{"binding": "CACHE", "id": "<YOUR_ID>"}]',
        b"yes",
    ),
    "asgi": (ASGI, ', "vars": {"MESSAGE": "hi"}', b"/ hi"),
    "d1": (
        DATABASE,
        ', "d1_databases": [{"binding": "DB", "database_name": "q", "database_id": "1"}]',
        b'{"quote": "quoted"}',
    ),
    "objects": (
        OBJECTS,
        ', "durable_objects": {"bindings": [{"name": "NOTES", "class_name": "Notes"}]}',
        b"/",
    ),
    "cron": (CRON, ', "triggers": {"crons": ["*/1 * * * *"]}', b"wait for it"),
    "picture": (PICTURE, "", b"\x89PNG\xff"),
    "methods": (METHODS, "", b"{'text': 'a b'}"),
    "clients": (CLIENTS, ', "observability": {"enabled": true}', b'{"path": "/"}'),
    "wsgi": (WSGI, "", b"hello /"),
}


@pytest.fixture
def framework(tmp_path, monkeypatch):
    """A library, installed where Python finds it."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "framework.py").write_text(FRAMEWORK)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    yield
    sys.modules.pop("framework", None)


@pytest.mark.filterwarnings("ignore::rpclab.ConfigWarning")
@pytest.mark.parametrize("form", FORMS)
async def test_a_folder_of_this_form_loads_and_answers(form, tmp_path, framework):
    source, keys, answer = FORMS[form]
    folder = tmp_path / "worker"
    files = {"wrangler.jsonc": NAMED.format(keys), "src/entry.py": source, **SITE}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "src" / "dot.bin").write_bytes(b"\x89PNG\xff")
    async with rpclab.Sandbox.from_config(folder) as sandbox:
        response = await sandbox.fetch("w", "/")
        assert (response.status, await response.bytes()) == (200, answer)
    assert not {"js", "pyodide", "asgi", "site_", "site_.urls"} & sys.modules.keys()
    assert issubclass(ConfigWarning, UserWarning)


# js and pyodide.

JS = """
import js
from js import JSON, Blob, Date, FormData, Headers, Object, Request, Response, Uint8Array, console
from pyodide.ffi import JsException, JsProxy, create_once_callable, create_proxy, to_js
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    def result(self, code):
        return eval(code)
    async def call(self, function, *args):
        return await function(*args)
    async def through_a_proxy(self, value):
        proxy = create_proxy(lambda given: [given, "seen"])
        try:
            return await self.ctx.exports.Default.call(proxy, value)
        finally:
            proxy.destroy()
    def fetch(self, request):
        options = to_js({"status": 201, "statusText": "Made"}, dict_converter=Object.fromEntries)
        headers = Object.fromEntries(to_js([["x-a", "1"]]))
        return Response.new("made of JavaScript", options, headers=headers)
"""


@pytest.fixture
def js(sandbox):
    sandbox.deploy("w", source=JS)
    return sandbox.bind(W="w").W


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("to_js(b'ab')", b"ab"),
        ("to_js(bytearray(b'ab')).buffer", b"ab"),
        ("[to_js(b'ab').length, to_js(b'ab').byteLength]", [2, 2]),
        ("Uint8Array.new([1, 2])", b"\1\2"),
        ("Uint8Array.new(3)", b"\0\0\0"),
        ("to_js({'a': (1, [b'x'])})", {"a": [1, [b"x"]]}),
        ("to_js({'a': {'b': 1}}, dict_converter=Object.fromEntries)", {"a": {"b": 1}}),
        ("to_js({'a': 1}, dict_converter=len)", 1),
        ("to_js({'x', 'y'}) == {'x', 'y'}", True),
        ("to_js(None)", None),
        ("isinstance({}, JsProxy)", False),
        ("Object.keys({'a': 1}) + Object.values({'a': 1}) + Object.entries({'a': 1})",
         ["a", 1, ["a", 1]]),
        ("Object.assign(Object.new(), {'a': 1}, {'b': 2})", {"a": 1, "b": 2}),
        ("JSON.parse(JSON.stringify({'é': [1, None]}))", {"é": [1, None]}),
        ("JSON.stringify({'é': [1]})", '{"é":[1]}'),
        ("JSON.stringify([1], None, 2)", "[\n  1\n]"),
        ("1e12 < Date.now() < 1e13", True),
        ("len(js.crypto.randomUUID())", 36),
        ("Headers.new({'A': 'b'})['a']", "b"),
        ("Request.new('http://a/b', method='POST', body='x').method", "POST"),
        ("Request.new('http://a/b', {'method': 'PUT'}).url", "http://a/b"),
        ("isinstance(Response.new('x'), Response) and not isinstance('x', Response)", True),
        ("Response.json({'a': 1}, {'status': 202}).status", 202),
        ("Response.redirect('http://a/').status", 302),
        ("len(FormData.new())", 0),
        ("js.URL.new('../c?x=1', 'http://a/b/d').href", "http://a/c?x=1"),
        ("js.URL.new('http://a/?x=1').searchParams.get('x')", "1"),
        ("[js.URL.canParse('x'), js.URL.parse('x'), js.URL.parse('x', 'http://a/').pathname]",
         [False, None, "/x"]),
        ("Request.new(js.URL.new('http://a/b')).url", "http://a/b"),
        ("js.URLSearchParams.new({'a': 'b c'}).toString()", "a=b+c"),
        ("isinstance(js.URL.new('http://a/'), js.URL)", True),
        ("Blob.new(['a', b'b'], {'type': 'text/plain'}).content_type", "text/plain"),
        ("hasattr(js, 'WebSocket')", False),
    ],
)  # fmt: skip
async def test_values_of_javascript_are_pythons(js, code, value):
    assert await js.result(code) == value


async def test_a_copy_for_javascript_keeps_cycles_and_what_is_shared():
    from rpclab.workers.platform.ffi import to_js  # noqa: PLC0415 - the object of this test

    circle = [1]
    circle.append(circle)
    copy = to_js(circle)
    assert copy is not circle
    assert copy[1] is copy
    shared = {"a": 1}
    first, second = to_js((shared, shared))
    assert first is second
    assert first == shared
    assert first is not shared


async def test_a_proxy_of_a_function_is_called_and_destroyed(js):
    assert await js.through_a_proxy(5) == [5, "seen"]


async def test_a_response_takes_its_options_as_javascript_gives_them(js):
    response = await js.fetch("/")
    assert (response.status, response.status_text) == (201, "Made")
    assert response.headers["x-a"] == "1"
    assert await response.text() == "made of JavaScript"


async def test_the_console_prints(js, capsys):
    await js.result("console.log('a', 1) or console.error('b')")
    assert capsys.readouterr() == ("a 1\n", "b\n")


async def test_bytes_for_javascript_are_stored_as_bytes(sandbox):
    source = (
        "from workers import DurableObject\nfrom pyodide.ffi import to_js\n"
        "class Box(DurableObject):\n    async def keep(self):\n"
        "        await self.ctx.storage.put('a', to_js({'data': b'x'}))\n"
        "        return await self.ctx.storage.get('a')\n"
    )
    sandbox.deploy("w", source=source)
    box = sandbox.bind(BOX=rpclab.objects("w#Box")).BOX.get_by_name("a")
    assert await box.keep() == {"data": b"x"}


@pytest.mark.parametrize(
    ("statement", "said", "advice"),
    [
        ("from js import WebSocketPair", "rpclab has no js.WebSocketPair", "rpclab has no WebSock"),
        ("from js import Object, HTMLRewriter", "no js.HTMLRewriter", "html.parser reads HTML"),
        ("from js import setTimeout", "rpclab has no js.setTimeout", "await asyncio.sleep(second"),
        ("from js import xyz", "rpclab has no js.xyz", "there are: Blob"),
        ("from js import Objekt", "rpclab has no js.Objekt", "did you mean 'Object'?"),
        ("from pyodide.ffi import run_sync", "no pyodide.ffi.run_sync", "make the method async"),
        ("from pyodide.code import run_js", "No module named 'pyodide.code'", ""),
        ("from pyodide import code", "rpclab has no pyodide.code", "there is no JavaScript here"),
        ("from workers import WorkflowEntrypoint", "no name 'WorkflowEntrypoint'", "no workflows"),
        ("from workers import Context", "no name 'Context'", "it is for annotations"),
        ("from workers import handler", "no name 'handler'", "write class Default"),
        ("from workers import Respons", "no name 'Respons'", "did you mean 'Response'?"),
        ("from asgi import websocket", "no workers.asgi.websocket", "rpclab has no WebSockets"),
        ("from workers.wsgi import serve", "no workers.wsgi.serve", "there are: fetch"),
        ("import nowhere_to_be_found", "No module named 'nowhere_to_be_found'", "pip install it"),
    ],
)
def test_what_is_not_here_is_refused_with_advice(sandbox, statement, said, advice):
    with pytest.raises(ImportError, match=re.escape(said)) as caught:
        sandbox.deploy("w", source=statement)
    assert advice in " ".join(getattr(caught.value, "__notes__", [""]))


async def test_a_name_that_is_used_later_is_told_then(js):
    error = await failure(js.result("js.WebSocket.new('ws://a')"))
    assert str(error) == "rpclab has no js.WebSocket"
    assert error.__notes__[0].startswith("rpclab has no WebSockets")


def test_a_package_that_is_made_for_cloudflare_is_named(tmp_path, monkeypatch, sandbox):
    (tmp_path / "cloudy_package.py").write_text("import js")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as caught:
        sandbox.deploy("w", source="import cloudy_package")
    assert "the package cloudy_package is made for Cloudflare: it imports js" in str(
        caught.value.__notes__
    )


def test_every_way_to_import_them_leads_there(sandbox):
    source = """
import asgi, js, pyodide.ffi, pyodide.http, workers.wsgi, workers.asgi as app
from pyodide import ffi
from pyodide.ffi import *
from workers import asgi as again, wsgi
from workers.wsgi import fetch
names = [pyodide.ffi is ffi, again is app, workers.wsgi is wsgi, wsgi.fetch is fetch]
"""
    module = sandbox.deploy("w", source=source).module
    assert module.names == [True] * 4
    assert module.to_js is module.ffi.to_js
    assert not {"js", "pyodide", "pyodide.ffi", "asgi"} & sys.modules.keys()


def test_a_file_of_that_name_beside_the_main_file_comes_first(sandbox, tmp_path):
    (tmp_path / "asgi.py").write_text("mine = True")
    (tmp_path / "pyodide").mkdir()
    (tmp_path / "pyodide" / "__init__.py").write_text("")
    (tmp_path / "pyodide" / "ffi.py").write_text("mine = True")
    source = "import asgi, pyodide.ffi"
    module = sandbox.deploy("w", source=source, folder=tmp_path).module
    assert module.asgi.mine
    assert module.pyodide.ffi.mine


def test_each_worker_has_its_own(sandbox):
    one, two = (sandbox.deploy(name, source="import js").module for name in ("one", "two"))
    one.js.fetch = one.js.mine = "changed"
    assert two.js.fetch != "changed"
    assert not hasattr(two.js, "mine")


def test_the_program_around_them_has_none_of_it():
    with pytest.raises(ModuleNotFoundError):
        __import__("pyodide.ffi")


@pytest.mark.parametrize("form", ["self", "self, request", "self, *args", "self, request, more=1"])
async def test_a_handler_is_given_as_much_as_it_takes(sandbox, form):
    for base, name in (("WorkerEntrypoint", "w"), ("DurableObject", "o")):
        sandbox.deploy(
            name,
            source=f"from workers import *\nclass Default({base}):\n"
            f"    async def fetch({form}): return Response('well')\n",
        )
    binding = sandbox.bind(W="w", O=rpclab.objects("o#Default"))
    for answering in (binding.W, binding.O.get_by_name("a")):
        assert await (await answering.fetch("/")).text() == "well"


@pytest.mark.parametrize(
    "source",
    [
        "class Default(WorkerEntrypoint):\n    async def on_fetch(self, request): pass",
        "async def on_fetch(request, env): pass",
    ],
)
async def test_the_name_that_a_handler_had_before_is_told(sandbox, source):
    sandbox.deploy("w", source=f"from workers import WorkerEntrypoint\n{source}")
    error = await failure(sandbox.fetch("w", "/"))
    assert str(error) == "Handler does not export a fetch() function."
    assert "say fetch" in error.__notes__[0]


async def test_a_handler_of_a_module_is_given_as_much_as_before(sandbox):
    source = "from workers import Response\ndef fetch(request, env, ctx): return Response(env.A)"
    sandbox.deploy("w", source=source, vars={"A": "well"})
    assert await (await sandbox.fetch("w", "/")).text() == "well"


# Modules that a library imports by their names.

BY_NAME = """
import importlib
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def load(self, name):
        return importlib.import_module(name).__name__, importlib.import_module(name).VALUE
    async def in_a_thread(self, name):
        import asyncio
        return (await asyncio.to_thread(importlib.import_module, name)).VALUE
    async def in_a_task(self, name):
        import asyncio
        async def load():
            return importlib.import_module(name).VALUE
        return await asyncio.create_task(load())
"""


async def test_two_workers_each_have_the_module_of_a_name(sandbox, tmp_path):
    for worker in ("one", "two"):
        (tmp_path / worker / "pack").mkdir(parents=True)
        (tmp_path / worker / "pack" / "__init__.py").write_text("")
        (tmp_path / worker / "pack" / "part.py").write_text(f"VALUE = {worker!r}")
        sandbox.deploy(worker, source=BY_NAME, folder=tmp_path / worker)
    env = sandbox.bind(ONE="one", TWO="two")
    for _ in range(2):
        assert await env.ONE.load("pack.part") == ("pack.part", "one")
        assert await env.TWO.load("pack.part") == ("pack.part", "two")
        assert await env.TWO.in_a_thread("pack.part") == "two"
        assert await env.ONE.in_a_task("pack.part") == "one"
    assert not {"pack", "pack.part"} & sys.modules.keys()


async def test_what_is_loaded_already_comes_first_and_what_is_installed_last(sandbox, tmp_path):
    (tmp_path / "json.py").write_text("VALUE = 'own'")
    (tmp_path / "rpclab").mkdir()
    (tmp_path / "rpclab" / "__init__.py").write_text("1 / 0")
    (tmp_path / "this.py").write_text("VALUE = 'own'")  # Python has one, which nobody loads
    source = BY_NAME.replace("name).VALUE", "name).__dict__.get('VALUE')")
    sandbox.deploy("w", source=source, folder=tmp_path)
    env = sandbox.bind(W="w")
    assert await env.W.load("json") == ("json", None)
    assert await env.W.load("rpclab.workers.http") == ("rpclab.workers.http", None)
    assert await env.W.load("this") == ("this", "own")


async def test_it_is_the_module_that_its_own_import_gives(sandbox, tmp_path):
    (tmp_path / "state.py").write_text("VALUE = []")
    source = "import state, importlib\nsame = importlib.import_module('state') is state"
    assert sandbox.deploy("w", source=source, folder=tmp_path).module.same
    assert "state" not in sys.modules


async def test_a_new_version_is_found_by_name_too(sandbox, tmp_path):
    env = sandbox.bind(W="w")
    for value in (1, 2):
        (tmp_path / "state.py").write_text(f"VALUE = {value}")
        sandbox.deploy("w", source=BY_NAME, folder=tmp_path)
        assert await env.W.load("state") == ("state", value)


async def test_what_is_not_there_is_an_import_error_as_usual(sandbox, tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    sandbox.deploy("w", source=BY_NAME, folder=tmp_path)
    env = sandbox.bind(W="w")
    assert type(await failure(env.W.load("nowhere.at.all"))) is ModuleNotFoundError
    assert type(await failure(env.W.load("broken"))) is ZeroDivisionError
    assert "broken" not in sys.modules


def test_a_package_without_init_is_found_by_name(sandbox, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "one.py").write_text("VALUE = 1")
    source = "import importlib\nvalue = importlib.import_module('parts.one').VALUE"
    assert sandbox.deploy("w", source=source, folder=tmp_path).module.value == 1
    assert not {"parts", "parts.one"} & sys.modules.keys()


def test_json_of_a_form_is_what_wrangler_reads():
    assert all(json.loads(NAMED.format(keys)) for _, keys, _ in FORMS.values())
