"""Draw the pictures of docs/views.md from runs on a virtual clock: `make docs`."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rpclab

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"

WORKERS = {
    "shop": """\
from workers import RpcTarget, WorkerEntrypoint


class Cart(RpcTarget):
    def __init__(self, stock):
        self._stock = stock
        self._lines = []

    def add(self, name):
        self._lines.append(name)
        return len(self._lines)

    async def total(self):
        return await self._stock.price(self._lines)


class Default(WorkerEntrypoint):
    def cart(self):
        return Cart(self.env.STOCK)
""",
    "stock": """\
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    def price(self, names):
        return 3 * len(names)

    def catalogue(self):
        return (f"page {number} ".encode() * 256 for number in range(400))
""",
    "audit": """\
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def check(self, cart):
        return await cart.total() > 0
""",
}

# In texts, so that the places in the pictures have a short name.
PROGRAM = """\
async def awaited(env, kept):
    cart = await env.SHOP.cart()
    await cart.add("tea")
    await cart.total()
    cart.dispose()


async def pipelined(env, kept):
    with env.SHOP.cart() as cart:
        cart.add("tea")
        cart.add("sugar")
        await cart.total()


async def lifetimes(env, kept):
    async with await env.SHOP.cart() as cart:
        await cart.add("tea")
        kept.append(cart.dup())
    kept.append(await env.SHOP.cart())
    await env.AUDIT.check(kept[1])


async def stream(env, kept):
    async for page in await env.STOCK.catalogue():
        await kept.sleep(0.01)
"""


def program(name: str) -> Callable[..., Any]:
    """One of the programs, which stand in a file of their own as far as pictures know."""
    module = types.ModuleType("example")
    exec(compile(PROGRAM, "example.py", "exec"), vars(module))  # noqa: S102 - our own text
    found: Callable[..., Any] = getattr(module, name)
    return found


async def _run(name: str, view: str) -> str:
    async with rpclab.Sandbox(record=True, clock="virtual") as sandbox:
        bound = {"shop": {"STOCK": "stock"}}
        for worker, source in WORKERS.items():
            sandbox.deploy(worker, source=source, bind=bound.get(worker))
        env = sandbox.bind(SHOP="shop", STOCK="stock", AUDIT="audit")
        sandbox.link("notebook", "shop", rtt="80ms")
        sandbox.link("shop", "stock", rtt="20ms")
        sandbox.link("notebook", "stock", rtt="80ms")
        kept: Any = sandbox if name == "stream" else []
        with sandbox.trace() as trace:
            await program(name)(env, kept)
        if view == "timeline":
            return rpclab.views.traced(trace, scale="time", workers=sandbox.workers).svg()
        picture: str = getattr(sandbox, view)().svg()
        return picture


def pictures() -> dict[str, str]:
    """Every picture, by the name of its file."""
    wanted = {
        "awaited.svg": ("awaited", "timeline"),
        "pipelined.svg": ("pipelined", "timeline"),
        "lifetimes.svg": ("lifetimes", "lifetimes"),
        "streams.svg": ("stream", "streams"),
        "graph.svg": ("lifetimes", "graph"),
    }
    return {name: asyncio.run(_run(*what)) for name, what in wanted.items()}


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in pictures().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
