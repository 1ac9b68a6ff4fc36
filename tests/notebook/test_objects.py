"""`%%worker --object` and `%bind --object`: Durable Objects in a notebook."""

import pytest

CHAT = """\
%%worker chat
from workers import DurableObject
class Room(DurableObject):
    async def say(self, text):
        said = await self.ctx.storage.get("said") or []
        await self.ctx.storage.put("said", [*said, text])
        return [*said, text]
"""
LOBBY = """\
%%worker lobby --object ROOMS=Room@chat --object OWN=Desk
from workers import DurableObject, WorkerEntrypoint
class Desk(DurableObject):
    def ask(self):
        return self.ctx.id.name
class Default(WorkerEntrypoint):
    async def enter(self, name):
        said = await self.env.ROOMS.get_by_name(name).say("hello")
        return [said, await self.env.OWN.get_by_name("front").ask()]
"""


@pytest.fixture
def chat(kernel):
    shown = kernel.run(CHAT)
    assert "class Room: say" in shown.value, shown.error
    kernel.run(LOBBY)
    kernel.run("%bind LOBBY=lobby --object ROOMS=Room@chat")
    return kernel


@pytest.mark.any_kernel
def test_the_notebook_and_a_worker_reach_the_same_object(chat):
    assert chat.value("await env.LOBBY.enter('den')") == "[['hello'], 'front']"
    assert chat.value("await env.ROOMS.get_by_name('den').say('hi')") == "['hello', 'hi']"
    assert chat.value("env.ROOMS.get_by_name('den')") == "<DurableObjectStub 'den' of chat#Room>"
    assert chat.value("env.ROOMS") == "<DurableObjectNamespace chat#Room>"


@pytest.mark.any_kernel
def test_what_is_stored_stays_when_the_cell_runs_again(chat):
    chat.run("den = env.ROOMS.get_by_name('den')")
    assert chat.value("await den.say('one')") == "['one']"
    chat.run(CHAT)
    assert chat.value("await den.say('two')") == "['one', 'two']"
    assert chat.value("sandbox.evict('chat#Room')") == "1"
    assert chat.value("await den.say('three')") == "['one', 'two', 'three']"


@pytest.mark.any_kernel
def test_a_class_that_is_not_there_is_answered_in_a_line(chat):
    wrong = chat.run("%bind --object ROOMS=Rom@chat").stderr
    assert "no Durable Objects \"Rom\"; did you mean 'Room'?" in wrong
    assert "is not of the form Class@worker" in chat.run("%bind --object ROOMS=Room").stderr


@pytest.mark.any_kernel
def test_displays_name_the_classes_of_objects_and_where_namespaces_lead(chat):
    shown = chat.run(
        CHAT.replace("    async def say", "    async def alarm(self): pass\n\n    async def say")
    )
    assert "class Room: say" in shown.value
    lobby = chat.run(LOBBY).value
    assert "env.ROOMS: → objects of chat#Room" in lobby
    listed = chat.value("%rpclab")
    assert "chat: version 2; Room\n" in listed
    assert "lobby: version 2; Default, Desk\n" in listed
    assert "notebook: env.LOBBY, env.ROOMS\n" in listed
    assert listed.endswith("env.ROOMS: → objects of chat#Room")


ENDLESS = """\
%%worker endless
from workers import DurableObject
class Obj(DurableObject):
    def count(self):
        print("runs")
        self.ctx.storage.sql.exec(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
    def one(self):
        return self.ctx.storage.sql.exec("SELECT 1 AS one").one()
"""


def test_an_endless_statement_of_an_object_is_interrupted_and_loses_that_call_only(kernel):
    kernel.run(ENDLESS)
    kernel.run("%bind --object OBJ=Obj@endless")
    request = kernel.start("await env.OBJ.get_by_name('x').count()")
    kernel.wait(request, lambda output: "runs" in output.stdout)
    assert "left by KeyboardInterrupt" in kernel.interrupt(request).error
    assert kernel.value("await env.OBJ.get_by_name('x').one()") == "{'one': 1}"
