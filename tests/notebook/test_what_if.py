"""`%rpclab replay` and `%rpclab faults`: the last traced block, run again."""

import pytest

SHOP = """\
%%worker shop
from workers import RpcTarget, WorkerEntrypoint

class Cart(RpcTarget):
    def __init__(self):
        self._items = []

    def add(self, item):
        self._items.append(item)
        print("added", item)
        return len(self._items)

class Default(WorkerEntrypoint):
    def cart(self):
        return Cart()
"""
BLOCK = """\
%%trace
cart = await env.SHOP.cart()
await cart.add("tea")
await cart.add(more)
"""


@pytest.fixture
def shop(kernel):
    for cell in (SHOP, "%bind SHOP=shop\n%rpclab link notebook shop --rtt 10ms", "more = 'milk'"):
        assert kernel.run(cell).error is None
    assert kernel.run(BLOCK).error is None
    return kernel


def test_the_last_traced_block_runs_again_with_one_thing_changed(shop):
    ran = shop.run("%rpclab replay link notebook shop --rtt 1s")
    lines = ran.value.split("\n")
    assert lines[0] == "What if notebook ↔ shop: round trip 1 s? 3 calls unlike"
    assert lines[1:3] == ["  before: returned 2 after 30 ms", "  after:  returned 2 after 3 s"]
    assert ran.stdout == ran.stderr == ""
    assert shop.value("await cart.add('soap')") == "3"


@pytest.mark.any_kernel
def test_each_change_has_its_words(shop):
    for change, said in {
        "": "every call is the same",
        "pipelining off": "pipelining is off",
        "locate shop=tokyo": "shop is in tokyo",
        "break notebook shop 3": "raised DisconnectedError",
        "fail shop#Cart.add 2 'ValueError: none left'": "raised ValueError: none left",
        "fail shop.cart all KeyError": "raised KeyError",
        "link notebook shop --cut": "never ends",
    }.items():
        assert said in shop.value(f"%rpclab replay {change}")


@pytest.mark.any_kernel
def test_the_block_of_before_the_change_is_shown_above_the_one_after(shop):
    shop.run("what = %rpclab replay pipelining off")
    shown = "[each.count('<svg ') for each in (what.html(), what.pictures()[0])]"
    assert shop.value(shown) == "[2, 1]"


@pytest.mark.any_kernel
def test_faults_lists_what_came_of_each_cut(shop):
    text = shop.value("%rpclab faults")
    assert text.startswith("Faults: 8 messages, each cut in 2 ways: ")
    assert "missing timeout: nothing bounds the wait for shop.cart(), made at line 2" in text
    assert "sends 8 messages, more than 3" in shop.run("%rpclab faults --most 3").stderr


@pytest.mark.any_kernel
def test_functions_of_the_notebook_call_the_workers_of_the_run(shop):
    shop.run("async def buy(item):\n    return await env.SHOP.cart().add(item)")
    shop.run("%%trace\nawait buy('tea')")
    assert "returned 1 after" in shop.value("%rpclab replay fail shop.cart 2")


@pytest.mark.any_kernel
def test_what_is_not_understood_is_answered_in_a_line(shop):
    for line, message in {
        "%rpclab replay lnk a b": "did you mean 'link'",
        "%rpclab replay link notebook": "takes two Workers",
        "%rpclab replay break notebook": "takes two Workers",
        "%rpclab replay break notebook shop x": "a number from 1 on, not 'x'",
        "%rpclab replay fail": "takes worker.method",
        "%rpclab replay fail shop.cat": "did you mean 'cart'",
        "%rpclab replay fail shop.cart KeyError more": "nothing more, but there is 'more'",
        "%rpclab replay pipelining on": "takes `off`",
        "%rpclab replay locate shop": "one WORKER=city",
        "%rpclab faults all": "takes no 'all'",
        "%rpclab faults --most x": "a number from 1 on",
    }.items():
        assert message in shop.run(line).stderr


@pytest.mark.any_kernel
def test_a_block_that_cannot_run_apart_is_refused_with_what_to_do(shop):
    shop.run("%%trace\nawait cart.add('soap')")
    assert "the block uses cart, which was made before it" in shop.run("%rpclab replay").stderr
    shop.run("%%trace\n%rpclab leaks\n1")
    assert "is a magic or a command" in shop.run("%rpclab replay").stderr
    shop.run("async def late():\n    await cart.add('x')")
    shop.run("%%trace\nawait late()")
    assert "the block uses cart" in shop.run("%rpclab faults").stderr


@pytest.mark.any_kernel
def test_without_a_traced_block_it_says_how_to_trace_one(kernel):
    assert "no block was traced yet: put %%trace" in kernel.run("%rpclab replay").stderr


def test_a_worker_that_spins_in_a_run_is_stopped_by_the_button(shop):
    spin = """\
%%worker spin
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def turn(self, often):
        import rpclab
        while env.SPINS == "yes":
            pass

from workers import env
"""
    shop.run(spin.replace("%%worker spin", "%%worker spin --var SPINS=no"))
    shop.run("%bind SPIN=spin")
    shop.run("%%trace\nawait env.SPIN.turn(1)")
    shop.run(spin.replace("%%worker spin", "%%worker spin --var SPINS=yes"))
    request = shop.start("print('be' + 'gins')\n%rpclab replay")
    shop.wait(request, lambda output: "begins" in output.stdout)
    assert shop.interrupt(request).error is not None
    assert shop.value("await env.SHOP.cart().add('x')") == "1"
