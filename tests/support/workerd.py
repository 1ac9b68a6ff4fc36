"""Cloudflare's own runtime, started for a test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from pathlib import Path

from rpclab.config.document import Document
from rpclab.config.dotenv import parse

INSTALLED = Path(__file__).parents[1] / "interop" / "workerd" / "node_modules"
LIBRARY = INSTALLED / "capnweb" / "dist" / "index-workers.js"

CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    # Workers dial this machine only where that is allowed.
    (name = "internet", network = (allow = ["private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "capnweb", esModule = embed "capnweb.js"),
  ],
  compatibilityDate = "%s",
  bindings = [%s],
  durableObjectNamespaces = [%s],
  durableObjectStorage = (inMemory = void),
);
"""


@contextlib.asynccontextmanager
async def running(workerd, config):
    """Run a configuration; gives where it listens, such as "127.0.0.1:8787"."""
    runtime = await asyncio.create_subprocess_exec(
        workerd, "serve", config, "--control-fd=1", stdout=asyncio.subprocess.PIPE
    )
    try:
        listening = json.loads(await runtime.stdout.readline())
        yield f"127.0.0.1:{listening['port']}"
    finally:
        runtime.kill()
        await runtime.wait()
        runtime._transport.close()


def configured(folder, source, *, port=0, date="2026-04-01", texts=None, objects=None):
    """Write a configuration of one Worker that uses the library.

    Args:
        folder: an empty one, where it goes.
        source: the text of the Worker.
        port: where it listens; 0 for any that is free.
        date: its compatibility date.
        texts: bindings that are texts, by name.
        objects: bindings that are namespaces of Durable Objects: the classes, by name.

    Returns:
        The path of the configuration.
    """
    (folder / "worker.js").write_text(source, "utf-8")
    shutil.copy(LIBRARY, folder / "capnweb.js")
    objects = objects or {}
    bindings = [
        *(f"(name = {_text(name)}, text = {_text(text)})" for name, text in (texts or {}).items()),
        *(
            f"(name = {_text(name)}, durableObjectNamespace = {_text(of)})"
            for name, of in objects.items()
        ),
    ]
    namespaces = [f"(className = {_text(of)}, uniqueKey = {_text(of)})" for of in objects.values()]
    path = folder / "config.capnp"
    path.write_text(CONFIG % (port, date, ", ".join(bindings), ", ".join(namespaces)), "utf-8")
    return path


def configured_as(wrangler, folder, port=0):
    """Write what a wrangler.jsonc and the .dev.vars beside it say, as a configuration of workerd.

    Args:
        wrangler: the path of the first; it has a Worker, secrets and Durable Objects, and no more.
        folder: an empty one, where it goes.
        port: where it listens; 0 for any that is free.
    """
    said = Document.from_file(wrangler).data
    secrets, _ = parse(wrangler.with_name(".dev.vars").read_text("utf-8"))
    bindings = said["durable_objects"]["bindings"]
    assert [each["class_name"] for each in bindings] == said["migrations"][0]["new_sqlite_classes"]
    return configured(
        folder,
        wrangler.with_name(said["main"]).read_text("utf-8"),
        port=port,
        date=said["compatibility_date"],
        texts={name: secrets[name] for name in said["secrets"]["required"]},
        objects={each["name"]: each["class_name"] for each in bindings},
    )


def _text(text):
    """A text as such a configuration writes it."""
    return json.dumps(text)
