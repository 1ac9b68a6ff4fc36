"""A program run again with one thing changed: what is unlike, and that nothing else changes."""

import asyncio
import xml.etree.ElementTree as ET
from contextlib import closing

import pytest

import rpclab
from rpclab.whatif import Break, Fail, Link, Locate, NoPipelining, World
from rpclab.whatif.apart import apart
from rpclab.whatif.playing import play

SHOP = """\
from workers import DurableObject, RpcTarget, WorkerEntrypoint

sold = []


class Cart(RpcTarget):
    def __init__(self):
        self._items = []

    def add(self, item):
        self._items.append(item)
        return len(self._items)


class Room(DurableObject):
    async def next(self):
        value = (await self.ctx.storage.get("n") or 0) + 1
        await self.ctx.storage.put("n", value)
        return value


class Default(WorkerEntrypoint):
    def cart(self):
        return Cart()

    def sell(self, item):
        sold.append(item)
        print("sold", item)
        return len(sold)

    async def stored(self):
        rows = await self.env.DB.prepare("SELECT x FROM a").all()
        count = await self.env.ROOM.get_by_name("hall").next()
        return [[row["x"] for row in rows.results], await self.env.KV.get("k"), count]

    async def write(self):
        await self.env.DB.prepare("INSERT INTO a VALUES ('b')").run()
        await self.env.KV.put("k", "w")
"""


@pytest.fixture
def shop(sandbox):
    sandbox.deploy(
        "shop", source=SHOP, d1={"DB": ":memory:"}, kv={"KV": "kv"}, objects={"ROOM": "Room"}
    )
    sandbox.bind(SHOP="shop")
    sandbox.link("notebook", "shop", rtt="80ms")
    return sandbox


async def two_items(env):
    cart = env.SHOP.cart()
    await cart.add("tea")
    return await cart.add("milk")


def test_unchanged_a_program_is_the_same_to_the_last_message(shop):
    same = rpclab.replay(two_items, shop)
    assert same.differences == ()
    assert (same.before.result, same.before.seconds, same.before.round_trips) == ("2", 0.16, 2)
    assert [*same.before.recording] == [*same.after.recording]
    assert same.text() == rpclab.replay(two_items, shop).text()


@pytest.mark.parametrize(
    ("change", "text", "result", "seconds"),
    [
        (Link("notebook", "shop", rtt="1s"), "round trip 1 s", "returned 2", 2.0),
        (NoPipelining(), "pipelining is off", "returned 2", 0.24),
        (Fail("shop#Cart.add", call=2, error="ValueError: none left"), "call 2 of shop#Cart.add",
         "raised ValueError: none left", 0.16),
        (Fail("shop.cart", call=0, error="KeyError"), "each call of shop.cart",
         "raised KeyError", 0.08),
        (Break("notebook", "shop", 3), "breaks at message 3", "raised DisconnectedError", 0.04),
        (Link("notebook", "shop", up=False), "cut", "never ends", 3600),
    ],
)  # fmt: skip
def test_one_thing_is_changed_and_the_rest_is_as_it_was(shop, change, text, result, seconds):
    what = rpclab.replay(two_items, shop, change)
    assert text in what.summary().split("\n")[0]
    assert what.before.text == "returned 2 after 160 ms"
    assert what.after.text.startswith(result)
    assert what.after.seconds == pytest.approx(seconds)
    assert what.differences


def test_another_city_is_another_distance(shop):
    shop.links.forget()
    shop.locate("notebook", "paris")
    shop.locate("shop", "london")
    what = rpclab.replay(two_items, shop, Locate("shop", "tokyo"))
    assert what.after.seconds > 10 * what.before.seconds > 0
    assert shop.links.places == {"notebook": "paris", "shop": "london"}


def test_calls_that_are_unlike_are_marked_in_both_pictures_and_texts(shop):
    async def program(env):
        await env.SHOP.sell("tea")
        try:
            return await env.SHOP.sell("milk")
        except ValueError:
            return await env.SHOP.sell("soap")

    what = rpclab.replay(program, shop, Fail("shop.sell", call=2, error="ValueError: no milk"))
    assert [each.text for each in what.differences] == [
        "notebook → shop: sell('milk'): 2 before, raised ValueError: no milk after",
        "notebook → shop: sell('soap'): only after",
    ]
    before, after = what.pictures()
    assert [picture.count('class="unlike"') for picture in (before, after)] == [1, 2]
    for picture in (before, after):
        ET.fromstring(picture)  # noqa: S314 - our own
    marked = [line for line in what.text().split("\n") if line.startswith("≠")]
    assert [line.split(": ", 1)[1].split("  [")[0] for line in marked] == [
        "2 sell('milk') = 2", "2 sell('milk') ✗ ValueError: no milk", "3 sell('soap') = 2",
    ]  # fmt: skip


def test_both_pictures_have_one_scale_of_time(shop):
    what = rpclab.replay(two_items, shop, Link("notebook", "shop", rtt="1s"))
    before, after = what.pictures()
    assert "2 s" in before
    assert "2 s" in after


async def test_nothing_changes_in_the_sandbox_and_what_it_has_stored_is_there(shop):
    env = shop.env
    await shop.d1(":memory:DB").exec("CREATE TABLE a (x TEXT); INSERT INTO a VALUES ('a');")
    await shop.kv("kv").put("k", "v")
    assert await env.SHOP.stored() == [["a"], "v", 1]
    mark = shop.recording.mark

    async def program(env):
        first = await env.SHOP.stored()
        await env.SHOP.write()
        return [first, await env.SHOP.stored()]

    what = rpclab.replay(program, shop)
    assert what.before.result == what.after.result == "[[['a'], 'v', 2], [['a', 'b'], 'w', 3]]"
    assert shop.recording.mark == mark
    assert await env.SHOP.stored() == [["a"], "v", 2]


async def test_what_a_folder_stores_is_copied_and_left_alone(tmp_path):
    async with rpclab.Sandbox(storage=tmp_path, clock="virtual") as sandbox:
        (tmp_path / "d").mkdir()
        sandbox.deploy("shop", source=SHOP, d1={"DB": tmp_path / "d" / "a.sqlite"},
                       kv={"KV": "kv"}, objects={"ROOM": "Room"})  # fmt: skip
        env = sandbox.bind(SHOP="shop")
        await sandbox.d1(tmp_path / "d" / "a.sqlite").exec("CREATE TABLE a (x TEXT);")
        assert await env.SHOP.stored() == [[], None, 1]

        async def program(env):
            await env.SHOP.write()
            return await env.SHOP.stored()

        assert rpclab.replay(program, sandbox).before.result == "[['b'], 'w', 2]"
        assert await env.SHOP.stored() == [[], None, 2]


def test_sleeps_and_timeouts_of_the_program_are_virtual_time(shop):
    async def program(env, sandbox):
        begin = sandbox.time()
        await asyncio.sleep(1000)
        try:
            async with asyncio.timeout(500):
                await asyncio.sleep(1000)
        except TimeoutError:
            return sandbox.time() - begin

    assert rpclab.replay(program, shop).before.result == "1500.0"


def test_what_workers_print_and_fail_at_unseen_disturbs_nobody(shop, capsys, caplog):
    async def program(env):
        call = env.SHOP.sell("tea")
        del call
        env.SHOP.nothing()
        await asyncio.sleep(1)

    rpclab.replay(program, shop, Break("notebook", "shop"))
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Link("notebook", "shp", rtt=1), "did you mean 'shop'"),
        (Link("notebook", "shop", rtt="fast"), "80ms"),
        (Break("notebook", "gone"), "no Worker is called 'gone'"),
        (Break("notebook", "shop", 0), "counted from 1"),
        (Locate("shop", "tokio"), "did you mean 'tokyo'"),
        (Locate("shp", "tokyo"), "did you mean 'shop'"),
        (Fail("shop.cat"), "did you mean 'cart'"),
        (Fail("shop"), "worker.method"),
        (Fail("notebook.x"), "the notebook has no methods"),
        (Fail("shop.cart", error="ValuError: x"), "did you mean 'ValueError'"),
        (Fail("shop.cart", error="UnicodeDecodeError: x"), "choose another error"),
    ],
)
def test_what_cannot_be_changed_is_said_by_name(shop, change, said):
    with pytest.raises(ValueError, match=r".") as caught:
        rpclab.replay(two_items, shop, change)
    assert said in "; ".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def test_a_program_that_raises_before_any_call_is_told_of(shop):
    async def program(env):
        raise LookupError("at once")

    assert rpclab.replay(program, shop).before.text == "raised LookupError: at once after 0 s"


def test_it_works_in_a_script_without_a_loop_and_leaves_no_thread(shop):
    import threading  # noqa: PLC0415 - asked here alone

    assert rpclab.replay(two_items, shop).before.result == "2"
    assert not [each for each in threading.enumerate() if each.name == "rpclab-what-if"]


def test_without_pipelining_takes_what_a_trace_counts(shop):
    what = rpclab.replay(two_items, shop, NoPipelining())
    assert what.after.seconds / 0.08 == what.before.round_trips + what.before.saved


def test_a_world_is_what_it_was_when_it_was_taken(shop):
    world = World(shop)
    shop.link("notebook", "shop", rtt="9s")
    shop.deploy("shop", source="from workers import WorkerEntrypoint\n")
    assert apart(lambda: play(world, two_items)).seconds == 0.16


def test_it_is_saved_as_a_page_and_as_text(shop, tmp_path):
    what = rpclab.replay(two_items, shop, NoPipelining())
    what.save(tmp_path / "a.html")
    what.save(tmp_path / "a.txt")
    page = (tmp_path / "a.html").read_text()
    assert page.count("<svg ") == 2
    assert "<script" not in page
    assert (tmp_path / "a.txt").read_text() == f"{what}\n"
    with pytest.raises(ValueError, match=r"saved as one of \.html, \.txt"):
        what.save(tmp_path / "a.png")


def test_a_message_that_is_never_sent_breaks_nothing_and_that_is_said(shop):
    what = rpclab.replay(two_items, shop, Break("notebook", "shop", 99))
    assert what.differences == ()
    assert "sent fewer messages, so nothing was broken" in what.summary()


def test_checks_of_arguments_hold_in_a_run_too(sandbox):
    source = "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
    sandbox.validate = True
    sandbox.deploy(
        "a", source=f"{source}    def twice(self, n: int) -> int:\n        return 2 * n\n"
    )
    sandbox.bind(A="a")

    async def program(env):
        return await env.A.twice("x")

    assert "raised TypeError" in rpclab.replay(program, sandbox).before.text


def test_handlers_of_a_module_and_modules_beside_it_run_and_can_fail(tmp_path):
    (tmp_path / "parts.py").write_text(
        "from workers import RpcTarget\nclass Part(RpcTarget):\n    def name(self): return 'part'\n"
    )
    (tmp_path / "main.py").write_text(
        "import parts\nasync def part(number, env, ctx):\n    return parts.Part()\n"
    )
    (tmp_path / "wrangler.toml").write_text('name = "a"\nmain = "main.py"\n')

    async def program(env):
        return await env.A.part(1).name()

    with closing(rpclab.Sandbox.from_config(tmp_path)) as sandbox:
        sandbox.bind(A="a")
        assert rpclab.replay(program, sandbox).before.result == "'part'"
        for member, said in (("a.part", "raised KeyError"), ("a#Part.name", "raised KeyError")):
            what = rpclab.replay(program, sandbox, Fail(member, error="KeyError"))
            assert said in what.after.text


def test_a_call_that_is_made_to_fail_fails_where_its_method_begins(shop):
    async def program(env):
        try:
            await env.SHOP.sell("tea")
        except ValueError as error:
            return "; ".join(error.__notes__)

    what = rpclab.replay(program, shop, Fail("shop.sell", error="ValueError: no"))
    line = SHOP.split("\n").index("    def sell(self, item):") + 1
    assert f"line {line}" in what.after.result


@pytest.mark.parametrize("run", [rpclab.replay, rpclab.scrub])
def test_a_program_is_a_function(shop, run):
    async def program(env):
        await env.SHOP.cart()

    with closing(program(shop.env)) as begun:
        for given in (5, "program", begun):
            with pytest.raises(TypeError, match="the program is a coroutine function"):
                run(given, shop)
