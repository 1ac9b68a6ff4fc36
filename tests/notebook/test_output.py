"""Where the output of Workers goes, and the reports of what nobody waits for."""

import pytest

WORKER = """\
%%worker talker
import asyncio
from workers import RpcTarget, WorkerEntrypoint

class Target(RpcTarget):
    def dispose(self):
        raise ValueError("in the disposer")

class Default(WorkerEntrypoint):
    async def say_later(self, text, trigger=None):
        await asyncio.sleep(0.05)
        print(text)

    async def chain(self):
        await asyncio.sleep(0.05)
        return Chained()

    async def keep(self):
        self.ctx.wait_until(self._fail("kept"))

    async def lose(self):
        asyncio.create_task(self._fail("lost"))
        await asyncio.sleep(0.05)

    async def _fail(self, text):
        raise ValueError(text)

    async def target(self):
        return Target()

class Chained(RpcTarget):
    def say(self, text):
        print(text)
"""


@pytest.fixture
def talker(kernel):
    kernel.run(WORKER)
    kernel.run("%bind TALKER=talker\nimport asyncio")
    return kernel


def test_a_worker_prints_into_the_cell_that_called_it(talker):
    assert talker.run("await env.TALKER.say_later('hello')").stdout == "[talker] hello\n"


def test_a_worker_prints_into_the_cell_that_called_it_also_after_others_have_run(talker):
    first = talker.start("p = env.TALKER.say_later('from the first')")
    talker.finish(first)
    second = talker.run("await env.TALKER.say_later('from the second'); await p")
    talker.wait(first, lambda output: output.stdout)
    assert talker.output(first).stdout == "[talker] from the first\n"
    assert second.stdout == "[talker] from the second\n"


def test_each_of_several_awaited_calls_prints_into_its_cell_after_others_have_run(talker):
    first = talker.start("""\
begin = asyncio.Event()
async def talk():
    target = await env.TALKER.chain()
    await begin.wait()
    for text in ("one", "two", "three"):
        await target.say(text)
task = asyncio.create_task(talk())""")
    talker.finish(first)
    second = talker.run("begin.set(); await task")
    talker.wait(first, lambda output: "three" in output.stdout)
    assert talker.output(first).stdout == "[talker] one\n[talker] two\n[talker] three\n"
    assert second.stdout == ""


def test_a_pipelined_call_prints_into_its_cell(talker):
    first = talker.start("p = env.TALKER.chain().say('pipelined')")
    talker.finish(first)
    second = talker.run("print('other'); await p")
    talker.wait(first, lambda output: output.stdout)
    assert talker.output(first).stdout == "[talker] pipelined\n"
    assert second.stdout == "other\n"


def test_a_call_of_a_worker_to_another_prints_into_the_first_ones_cell(talker):
    talker.run("""\
%%worker middle --bind TALKER=talker
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def forward(self):
        await self.env.TALKER.say_later("through the middle")
""")
    talker.run("%bind MIDDLE=middle")
    first = talker.start("p = env.MIDDLE.forward()")
    talker.finish(first)
    talker.run("await p")
    talker.wait(first, lambda output: output.stdout)
    assert talker.output(first).stdout == "[talker] through the middle\n"


def test_a_failed_disposer_is_reported_in_the_cell_that_disposed(talker):
    talker.run("stub = await env.TALKER.target()")
    disposed = talker.start("stub.dispose()")
    talker.finish(disposed)
    talker.run("await asyncio.sleep(0.05)")
    talker.wait(disposed, lambda output: output.stderr)
    said = talker.output(disposed).stderr
    assert said.startswith(
        "rpclab: the disposer of Target failed: ValueError: in the disposer (Cell"
    )
    assert said.count("\n") == 1


def test_failed_work_given_to_wait_until_is_reported(talker):
    kept = talker.start("await env.TALKER.keep()")
    talker.finish(kept)
    talker.run("await asyncio.sleep(0.05)")
    talker.wait(kept, lambda output: output.stderr)
    said = talker.output(kept).stderr
    assert "work that talker gave to wait_until failed: ValueError: kept (Cell" in said
    assert said.count("\n") == 1


def test_a_failed_task_that_nobody_awaits_is_reported_in_a_line(talker):
    lost = talker.start("await env.TALKER.lose()\nimport gc; gc.collect();")
    output = talker.wait(lost, lambda output: output.idle and output.stderr)
    assert output.stderr.startswith("rpclab: a task of talker failed: ValueError: lost (Cell")
    assert output.stderr.count("\n") == 1


UNSEEN = "failed, and nobody awaited it: NoSuchMemberError: "


@pytest.mark.parametrize("shown", [";", "", "; other = 1"])
def test_a_failed_call_that_nobody_awaits_is_told_of_in_its_cell(talker, shown):
    number = talker.run("len(In) - 1").value
    cell = talker.start(f"1\nenv.TALKER.tokl(){shown}")
    talker.finish(cell)
    talker.run("await asyncio.sleep(0.05)")
    talker.wait(cell, lambda output: output.stderr)
    said = talker.output(cell).stderr
    assert said.startswith(f"rpclab: talker.tokl() (Cell In[{int(number) + 1}], line 2) {UNSEEN}")
    assert said.count("\n") == 1


def test_a_failed_call_that_is_pipelined_is_told_of_in_its_cell_when_others_run(talker):
    cell = talker.start("env.TALKER.chain().sya('x');")
    talker.finish(cell)
    other = talker.run("await asyncio.sleep(0.2)")
    talker.wait(cell, lambda output: output.stderr)
    assert "talker.sya() (Cell In[" in talker.output(cell).stderr
    assert other.stderr == ""


def test_a_shown_promise_that_is_awaited_in_the_next_cell_is_not_told_of_twice(talker):
    shown = talker.start("env.TALKER.chain().sya('x')")
    talker.finish(shown)
    failed = talker.run("await _")
    assert failed.error is not None
    assert talker.output(shown).stderr.count(UNSEEN) <= 1
    assert UNSEEN not in failed.stderr


def test_what_a_cell_awaits_or_catches_is_not_told_of(talker):
    output = talker.run("""\
try:
    await env.TALKER.tokl()
except TypeError:
    print("caught")
await asyncio.sleep(0.05)""")
    assert (output.stdout, output.stderr) == ("caught\n", "")


def test_stubs_left_behind_are_told_of_on_request(talker):
    talker.run("""\
%%worker messy --bind TALKER=talker
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def leave(self):
        target = await self.env.TALKER.target()
""")
    talker.run("%bind MESSY=messy")
    assert "UndisposedStubWarning" not in talker.run("await env.MESSY.leave()").stderr
    talker.run("%config RpcLab.warn_undisposed = True")
    warned = talker.run("await env.MESSY.leave()").stderr
    talker.run("%config RpcLab.warn_undisposed = False")
    assert "a call in messy ended with a stub that its code did not dispose" in warned
    assert "made at Cell In[" in warned


def test_prints_carry_the_name_of_the_worker_and_are_whole_lines(talker):
    talker.run("""\
%%worker speaker --bind TALKER=talker
print("deployed")
import sys
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def speak(self):
        print("one", "two", sep=", ")
        print("three\\n\\nfour")
        print("half", end="")
        print(" and half")
        print("unfinished", end="")
        await self.env.TALKER.say_later("between")
        print("to a file", file=sys.stdout)
        print()
""")
    talker.run("%bind SPEAKER=speaker")
    assert talker.run("await env.SPEAKER.speak(); print('the cell')").stdout == (
        "[speaker] one, two\n[speaker] three\n[speaker] \n[speaker] four\n"
        "[speaker] half and half\n[speaker] unfinished\n[talker] between\n"
        "to a file\n[speaker] \nthe cell\n"
    )


def test_prints_go_without_the_name_on_request(talker):
    talker.run("%config RpcLab.label_prints = False")
    said = talker.run("await env.TALKER.say_later('hello')").stdout
    talker.run("%config RpcLab.label_prints = True")
    assert said == "hello\n"


def test_a_task_that_ends_with_its_call_is_told_of_in_the_cell(talker):
    talker.run("""\
%%worker dropper
import asyncio
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def drop(self):
        asyncio.create_task(self._later())
        return "answered"
    async def _later(self):
        await asyncio.sleep(0.05)
        print("never")
""")
    talker.run("%bind DROPPER=dropper")
    output = talker.run("await env.DROPPER.drop()")
    talker.run("await asyncio.sleep(0.1)")
    assert output.value == "'answered'"
    assert "rpclab: dropper ended a task that it had begun, _later() (Cell In[" in output.stderr
    assert "self.ctx.wait_until(" in output.stderr
    assert output.stderr.count("\n") == 1
