"""Who can call whom: bindings, live stubs, introductions, and what can be reached."""

import pytest
from support.traced import KEEPER

import rpclab
from rpclab.trace.graph import graph, reach


async def test_the_graph_has_workers_bindings_and_stubs(sandbox, env):
    node = await env.A.root()
    seen = graph(sandbox.recording)
    assert seen.workers == ("notebook", "b", "a")
    assert seen.deployed == {"a", "b"}
    assert [(b.holder, b.name, b.worker) for b in seen.bindings] == [
        ("a", "NEXT", "b"),
        ("notebook", "A", "a"),
        ("notebook", "B", "b"),
    ]
    [stub] = seen.stubs
    assert (stub.holder, stub.worker, stub.name, stub.count) == ("notebook", "a", "Node", 1)
    node.dispose()
    assert graph(sandbox.recording).stubs == ()


async def test_a_function_written_in_a_function_is_named_without_that(sandbox, env):
    def tell(what):
        return what

    [stub] = [await env.A.same(rpclab.RpcStub(tell))]
    assert {each.name for each in graph(sandbox.recording).stubs} == {"tell"}
    stub.dispose()


async def test_an_introduction_names_all_three(sandbox, env):
    node = await env.A.node_of_next()
    [made] = graph(sandbox.recording).introductions
    assert (made.introducer, made.receiver, made.worker) == ("a", "notebook", "b")
    assert made.name == "Node"
    [stub] = [each for each in graph(sandbox.recording).stubs if each.holder == "notebook"]
    assert (stub.worker, stub.introducer) == ("b", "a")
    node.dispose()


async def test_reach_follows_bindings_and_stubs(sandbox, env):
    sandbox.deploy("lonely", source="from workers import WorkerEntrypoint")
    node = await env.B.root()
    seen = graph(sandbox.recording)
    assert {way.worker: way.through for way in reach(seen, "notebook")} == {
        "a": ("env.A",),
        "b": ("env.B",),
    }
    assert reach(seen, "a")[0].through == ("env.NEXT",)
    assert reach(seen, "b") == reach(seen, "lonely") == ()
    with pytest.raises(ValueError, match="there is no 'c'; there are: notebook, b, a, lonely"):
        reach(seen, "c")
    await env.B.call_back(lambda n: n)
    node.dispose()


async def test_a_stub_that_was_given_leads_where_no_binding_does(sandbox, env):
    sandbox.deploy("keeper", source=KEEPER)
    box = await sandbox.bind(KEEPER="keeper").KEEPER.box()
    assert reach(graph(sandbox.recording), "keeper") == ()
    await box.keep(await env.B.root())
    [way] = reach(graph(sandbox.recording), "keeper")
    assert (way.worker, way.through) == ("b", ("a stub of Node",))
