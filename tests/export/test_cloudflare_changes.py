"""What Cloudflare's Python Workers would need changed: each thing with its line, and no others."""

import pytest

from rpclab.declared import Bound
from rpclab.export.cloudflare_changes import findings
from rpclab.workers.declarations import binding

BOUND = Bound(
    bind={"SHOP": binding("shop")}, objects={"ROOM": "me#Room"}, kv={"KV": "kv"}, d1={"DB": "DB"}
)
METHOD = """\
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def ask(self, room):
"""


def found(text, bound=BOUND):
    return [(each.line, each.text) for each in findings("main.py", text, bound)]


def in_method(*lines):
    return found(METHOD + "".join(f"        {line}\n" for line in lines))


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        (["return await self.env.SHOP.cart().add(1)"], 4, "(await self.env.SHOP.cart()).add"),
        (["return await self.env['SHOP'].cart().add(1)"], 4, "pipelining"),
        (["cart = self.env.SHOP.cart()", "await cart.add(1)"], 5, "`cart` is a coroutine there"),
        (["total = self.env.SHOP.total()", "await self.env.SHOP.pay(total)"], 5,
         "before it is sent along"),
        (["await self.env.SHOP.pay(to=self.env.SHOP.who())"], 4, "before it is sent along"),
        (["return await self.env.SHOP.cart().size"], 4, "`.size`"),
        (["with self.env.SHOP.cart() as cart:", "    pass"], 4, "no context manager"),
        (["cart = await self.env.SHOP.cart()", "with cart:", "    pass"], 5,
         "stub is no context manager"),
        (["cart = await self.env.SHOP.cart()", "cart.dispose()"], 5, ".dispose of a stub"),
        (["await self.env.SHOP.add(1, count=2)"], 4, "arguments by name (count)"),
        (["await self.env.SHOP.add((1, 2))"], 4, "make it a list"),
        (["stub = self.env.ROOM.get_by_name('x')"], 4, "spelled .getByName there"),
        (["stub = self.env.ROOM.getByName('x')", "await stub.log().last()"], 5, "pipelining"),
        (["try:", "    await self.env.SHOP.pay()", "except (KeyError, ValueError):", "    pass"], 6,
         "no KeyError or ValueError there"),
        (["if room:", "    for x in room:", "        await self.env.SHOP.cart().add(x)"], 6,
         "pipelining"),
    ],
)  # fmt: skip
def test_what_is_awaited_there_is_named_with_its_line(lines, line, said):
    assert [(number, said in text) for number, text in in_method(*lines) if said in text] == [
        (line, True)
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["return (await self.env.SHOP.cart()).add(1)"],
        ["cart = await self.env.SHOP.cart()", "return await cart.add(1)"],
        ["cart = self.env.SHOP.cart()", "cart = await cart", "return await cart.add(1)"],
        ["items = await self.env.SHOP.items()", "return items.get('a').strip()"],
        ["return await self.env.KV.get('x', cache_ttl=60)"],
        ["return await self.env.DB.prepare('SELECT 1').bind().first()"],
        ["try:", "    await self.env.SHOP.pay()", "except Exception:", "    pass"],
        ["try:", "    int(room)", "except ValueError:", "    pass"],
        ["stub = self.env.ROOM.getByName('x')", "return await stub.say('x')"],
    ],
)
def test_code_that_runs_there_as_it_is_is_not_named(lines):
    assert in_method(*lines) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import rpclab\n", "there is no rpclab there"),
        ("from rpclab import gather\n", "asyncio.gather"),
        ("from workers import RpcTarget\n", "no RpcTarget"),
        ("from workers import ReadableStream\n", "js.ReadableStream"),
        ("import threading\n", "does without threading"),
        ("import concurrent.futures, subprocess\n", "does without subprocess"),
        ("from pathlib import Path\nTEXT = Path(__file__).with_name('a').read_text()\n", '"rules"'),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_what_to_do(text, said):
    assert [said in each for _, each in found(text)] == [True]


def test_a_generator_as_a_body_is_named():
    text = """\
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        async def parts():
            yield b"x"
        return Response(parts())
"""
    assert [(line, "is no generator" in said) for line, said in found(text)] == [(6, True)]


def test_targets_are_named_at_their_class():
    text = "from workers import RpcTarget\nclass Cart(RpcTarget):\n    pass\n"
    assert [line for line, _ in found(text)] == [1, 2]
