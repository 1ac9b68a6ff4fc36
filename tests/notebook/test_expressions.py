"""What Tab and `?` know of the other side, in a shell without a kernel."""

import asyncio

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from support.kernels import COLOURS

import rpclab
from rpclab.core.session import Session

SHOP = '''
from typing import TypedDict

from workers import DurableObject, RpcTarget, WorkerEntrypoint


class Bill(TypedDict):
    price: int
    lines: list[str]


class Item(RpcTarget):
    """One of its kind."""

    @property
    def price(self) -> int:
        """In cents."""
        raise SystemExit

    def wrap(self, paper: str = "red") -> "Item":
        """Make a gift of it."""
        return self


class Cart(RpcTarget):
    """What somebody is going to buy."""

    def add(self, name: str, *, count: int = 1) -> Item:
        """Put something in."""
        return Item()

    def first(self):
        return Item()

    @property
    def best(self) -> Item | None:
        return Item()

    def bill(self) -> Bill:
        return {"price": 1, "lines": []}

    def _secret(self):
        pass

    def dispose(self):
        pass


class Default(WorkerEntrypoint):
    """The shop."""

    async def cart(self) -> Cart:
        """Take a cart."""
        return Cart()

    def slow(self, *, seconds: float = 1.0) -> Cart:
        return self.later()

    async def later(self):
        import asyncio
        await asyncio.sleep(1000)

    def unknown(self):
        return [Cart()][0]

    def fetch(self, request):
        pass


class Room(DurableObject):
    """A room."""

    async def enter(self, name: str) -> Item:
        """Come in."""
        return Item()

    def alarm(self):
        pass
'''


@pytest.fixture
def shell():
    shell = InteractiveShell.instance()
    shell.extension_manager.load_extension("rpclab")
    shell.user_ns["sandbox"].deploy("shop", source=SHOP)
    shell.user_ns["sandbox"].bind(SHOP="shop", ROOMS=rpclab.objects("shop#Room"))
    yield shell
    shell.extension_manager.unload_extension("rpclab")
    shell.reset(new_session=False)
    InteractiveShell.clear_instance()


@pytest.fixture
def sent(monkeypatch):
    """The messages that sessions have put into their outboxes."""
    frames = []
    original = Session.send_frame

    def send_frame(session, frame):
        frames.append(frame)
        original(session, frame)

    monkeypatch.setattr(Session, "send_frame", send_frame)
    return frames


def offered(shell, text):
    """The names that Tab offers at the end of a text."""
    with provisionalcompleter():
        found = list(shell.Completer.completions(text, len(text)))
    return sorted({text[: each.start] + each.text for each in found}), found


def names(shell, text):
    """Those names, as what they are behind the last dot."""
    return [each.rpartition(".")[2] for each in offered(shell, text)[0]]


STUB = ["dispose", "dup", "on_broken"]
PROMISE = ["dispose", "map", "on_broken"]
CART = ["add", "best", "bill", "first"]
ITEM = ["price", "wrap"]
SHOP_NAMES = ["cart", "fetch", "later", "slow", "unknown"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("env.SHOP.", SHOP_NAMES),
        ("env.SHOP.ca", ["cart"]),
        ("env.SHOP.nothing", []),
        ('env["SHOP"].', SHOP_NAMES),
        ("sandbox.env.SHOP.", SHOP_NAMES),
        ("await env.SHOP.", SHOP_NAMES),
        ("x = env.SHOP.ca", ["cart"]),
        ("print(env.SHOP.ca", ["cart"]),
        ("f(a, b=[env.SHOP.ca", ["cart"]),
        ("if env.SHOP.ca", ["cart"]),
        ("%time env.SHOP.ca", ["cart"]),
        ("x = 1\nenv.SHOP.ca", ["cart"]),
        ("cart.", sorted(CART + STUB)),
        ("await cart.a", ["add"]),
        ("carts[0].a", ["add"]),
        ("by_name['one'].a", ["add"]),
        ("holder.cart.a", ["add"]),
        ("arrived.", sorted(CART + PROMISE)),
        ("on_its_way.", sorted(CART + PROMISE)),
        ("env.SHOP.cart().", sorted(CART + PROMISE)),
        ("(await env.SHOP.cart()).", sorted(CART + STUB)),
        ("await env.SHOP.cart().a", ["add"]),
        ("env.SHOP.cart(1, 'a)').first().", sorted(ITEM + PROMISE)),
        ("cart.add('x', count=2).", sorted(ITEM + PROMISE)),
        ("cart.first().", sorted(ITEM + PROMISE)),
        ("cart.best.", ["map", *ITEM]),
        ("cart.bill().", sorted(["lines", "price", *PROMISE])),
        ("cart.add.", ["map"]),
        ("cart.dup().a", ["add"]),
        ("env.SHOP.unknown().", PROMISE),
        ("env.ROOMS.get_by_name('a').", ["enter", "fetch", "id", "name"]),
        ("env.ROOMS.get(env.ROOMS.id_from_name('a')).e", ["enter"]),
        ("room.", ["enter", "fetch", "id", "name"]),
        ("room.enter('x').", sorted(ITEM + PROMISE)),
        ("new = env.SHOP.cart()\nnew.a", ["add"]),
        ("new = await env.SHOP.cart()\nitem = new.first()\nitem.w", ["wrap"]),
        ("with env.SHOP.cart() as new:\n    new.a", ["add"]),
        ("async with env.SHOP.cart() as new:\n    await new.a", ["add"]),
        ("new: object = env.SHOP.cart()\nnew.a", ["add"]),
    ],
)
async def test_tab_knows_the_public_members_of_what_runs_here(shell, sent, text, expected):
    class Holder:
        pass

    env = shell.user_ns["env"]
    cart = await env.SHOP.cart()
    arrived = env.SHOP.cart()
    await arrived
    on_its_way = env.SHOP.slow()
    await asyncio.sleep(0)
    holder = Holder()
    holder.cart = cart
    shell.push(
        {"cart": cart, "carts": [cart], "by_name": {"one": cart}, "holder": holder,
         "arrived": arrived, "on_its_way": on_its_way,
         "room": env.ROOMS.get_by_name("a")}
    )  # fmt: skip
    await asyncio.sleep(0.1)
    del sent[:]
    assert names(shell, text) == expected
    assert sent == []
    await asyncio.sleep(0.1)
    assert sent == []


def help_on(shell, name, detail=0):
    return COLOURS.sub("", shell.object_inspect_mime(name, detail_level=detail)["text/plain"])


@pytest.mark.parametrize("detail", [0, 1])
async def test_help_on_a_method_shows_what_the_class_there_says(shell, sent, detail):
    shell.user_ns["cart"] = await shell.user_ns["env"].SHOP.cart()
    del sent[:]
    shown = help_on(shell, "env.SHOP.cart", detail)
    assert "env.SHOP.cart() -> Cart" in shown
    assert "Take a cart." in shown
    shown = help_on(shell, "cart.add", detail)
    assert "cart.add(name: str, *, count: int = 1) -> Item" in shown
    assert "Put something in." in shown
    assert "remote method" in shown
    assert "line 28" in shown
    assert sent == []


async def test_help_on_a_property_reads_nothing(shell, sent):
    env = shell.user_ns["env"]
    shell.user_ns["item"] = await env.SHOP.cart().first()
    del sent[:]
    shown = help_on(shell, "item.price")
    assert "In cents." in shown
    assert "remote property: await it to read it" in shown
    assert sent == []


async def test_help_on_a_stub_lists_what_may_be_called(shell, sent):
    env = shell.user_ns["env"]
    promise = env.SHOP.cart()
    shell.push({"cart": await promise, "promise": promise, "room": env.ROOMS.get_by_name("a")})
    later = env.SHOP.slow()
    await asyncio.sleep(0.1)
    shell.push({"later": later})
    del sent[:]
    for name, kind in {
        "cart": "RpcStub of Cart",
        "promise": "RpcPromise of Cart",
        "later": "RpcPromise of Cart",
    }.items():
        shown = help_on(shell, name)
        assert kind in shown
        assert "What somebody is going to buy." in shown
        assert "add(name: str, *, count: int" in shown
        assert "-> Item    Put something in." in shown
        assert "_secret" not in shown
    assert "ServiceBinding of Default" in help_on(shell, "env.SHOP")
    assert "enter(name: str) -> Item    Come in." in help_on(shell, "room")
    assert sent == []


async def test_help_on_what_is_not_there_says_what_is(shell, sent):
    shown = help_on(shell, "env.SHOP.crat")
    assert "did you mean 'cart'?" in shown
    assert "getdoc" not in shown
    assert sent == []


async def test_the_cell_of_a_worker_knows_its_bindings(shell):
    line = "%%worker w --bind SHOP=shop --object ROOMS=Room@shop\n"
    assert names(shell, f"{line}self.env.SHOP.ca") == ["cart"]
    assert names(shell, f"{line}class A:\n    async def f(self):\n        await env.SHOP.ca") == [
        "cart"
    ]
    assert names(shell, f"{line}self.env.ROOMS.get_by_name('a').en") == ["enter"]
    assert names(shell, f"{line}self.env.OTHER.ca") == []


async def test_without_the_extension_completion_and_help_know_it_too(shell, sent):
    env = shell.user_ns["env"]
    cart = await env.SHOP.cart()
    await asyncio.sleep(0.1)
    shell.extension_manager.unload_extension("rpclab")
    sandbox = rpclab.Sandbox()
    sandbox.deploy("shop", source=SHOP)
    env = sandbox.bind(SHOP="shop")
    shell.push({"env": env, "cart": await env.SHOP.cart()})
    await asyncio.sleep(0.1)
    del sent[:]
    assert "add" in names(shell, "cart.")
    assert "cart" in names(shell, "env.SHOP.")
    assert "Put something in." in help_on(shell, "cart.add")
    assert sent == []
    sandbox.close()
    del cart
