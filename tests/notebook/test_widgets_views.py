"""Live views: what a kernel sends to a page, and what its controls do; without a page."""

import pytest
from support.kernels import COUNTER

SLOW = """\
%%worker slow
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def answer(self):
        return 42
"""

# A view, and what it sends to a page: also with its own kernel, for the messages are seen there.
VIEW = """
import asyncio
from rpclab.notebook.widgets.live import VIEWS
view, sent = VIEWS[{kind!r}](sandbox.recording, sandbox), []
view.send = lambda message: sent.append(message)
def kinds(): return [message["kind"] for message in sent]
"""

WAITS = """\
import asyncio, time
print('wa' + 'its')
began = time.monotonic()
await env.SLOW.answer()
print('in time' if time.monotonic() - began < 20 else 'late')"""


def custom(kernel, comm_id, content):
    return kernel.comm(comm_id, {"method": "custom", "content": content})


@pytest.fixture
def bound(kernel):
    kernel.run(SLOW)
    kernel.run("%bind SLOW=slow")
    return kernel


def test_a_view_is_shown_as_a_widget_and_then_as_text_and_picture(bound):
    shown = bound.run("from IPython.display import display\ndisplay(sandbox.timeline())")
    live, still = shown.displays
    assert live.keys() == {"application/vnd.jupyter.widget-view+json", "text/html"}
    assert live["text/html"] == ""
    assert still.keys() == {"text/plain", "text/html"}
    assert "0x" not in still["text/plain"]


SHOWN = """
from IPython.display import display
def live(): return [w.kind for w in _instances.values() if 'rpclab' in type(w).__module__]
from ipywidgets.widgets.widget import _instances
handle = display(sandbox.graph(), display_id=True)"""


def test_an_update_of_a_display_with_the_same_view_shows_it_once(bound):
    bound.run("sandbox.timeline()")
    assert len(bound.run(SHOWN).displays) == 2
    updated = bound.run("handle.update(sandbox.graph()); handle.update(sandbox.graph())")
    assert updated.displays == []
    assert bound.value("live()") == "['timeline', 'graph']"
    # Shown again, rather than updated, it is there twice.
    assert len(bound.run("display(sandbox.graph())").displays) == 2
    assert bound.value("live()") == "['timeline', 'graph', 'graph']"


def test_an_update_of_a_display_with_another_view_shows_that_instead(bound):
    bound.run(SHOWN)
    bound.run("handle.update(sandbox.streams())")
    assert bound.value("live()") == "['streams']"
    bound.run("handle.update('over')")
    assert bound.value("live()") == "[]"
    bound.run("handle.update(sandbox.streams())")
    assert bound.value("live()") == "[]"


@pytest.mark.any_kernel
def test_a_page_is_told_the_scale_that_was_asked_for(bound):
    bound.run(VIEW.format(kind="timeline").replace("sandbox)", "sandbox, scale='time')"))
    bound.run("view._act({'ask': 'all'})")
    assert bound.value("sent[0]") == "{'kind': 'scale', 'by': 'time'}"


@pytest.mark.any_kernel
def test_a_traced_block_is_over_and_shows_no_widget(bound):
    ran = bound.run("%%trace\nawait env.SLOW.answer()")
    assert "application/vnd.jupyter.widget-view+json" not in ran.displays[0]


@pytest.mark.any_kernel
@pytest.mark.parametrize("kind", ["timeline", "lifetimes", "streams", "graph", "view"])
def test_a_page_gets_all_rows_when_it_asks_and_later_what_is_new(bound, kind):
    bound.run(VIEW.format(kind=kind))
    assert bound.value("sent") == "[]"
    bound.run("view._act({'ask': 'all'})")
    assert bound.value("kinds()[:2]") == "['all', 'state']"
    before = int(bound.value("len(sent[0]['rows']['times'])"))
    bound.run("await env.SLOW.answer()\nawait asyncio.sleep(0)")
    rows = (
        "[row for message in sent if message['kind'] == 'news' for row in message['rows']['times']]"
    )
    # Nothing happens between the two halves of the value, unlike between two cells.
    got, made = f"{before} + len({rows})", "len(sandbox.recording)"
    assert bound.value(f"view._channel.beat() or {got} == {made}") == "True"


@pytest.mark.any_kernel
def test_many_events_of_one_moment_go_out_in_one_message(bound):
    bound.run(VIEW.format(kind="timeline"))
    bound.run("view._act({'ask': 'all'})\nsent.clear()")
    bound.run("for _ in range(200): env.SLOW.answer()\nimport time; time.sleep(0.2)")
    bound.run("await env.SLOW.answer()\nview._channel.beat()")
    news = bound.value("[len(m['rows']['times']) for m in sent if m['kind'] == 'news']")
    assert max(map(int, news.strip("[]").split(","))) > 400


@pytest.mark.any_kernel
def test_a_page_that_is_closed_gets_nothing_more(bound):
    bound.run(VIEW.format(kind="timeline"))
    bound.run("view._act({'ask': 'all'})\nview._act({'ask': 'nothing'})\nsent.clear()")
    bound.run("await env.SLOW.answer()\nview._channel.beat()")
    assert bound.value("sent") == "[]"


def test_a_control_changes_a_link_while_a_cell_awaits_a_call_over_it(bound):
    bound.run("sandbox.link('notebook', 'slow', rtt=60)")
    bound.run(VIEW.format(kind="timeline").replace("view.send", "unused = None; view.send"))
    comm_id = bound.run("print(view.comm.comm_id)").stdout.strip()
    cell = bound.start(WAITS)
    bound.wait(cell, lambda output: "waits" in output.stdout)
    custom(bound, comm_id, {"do": "link", "one": "notebook", "other": "slow", "rtt": 0.01})
    assert "in time" in bound.finish(cell).stdout
    assert bound.value("sandbox.links['notebook', 'slow'].rtt") == "0.01"
    custom(bound, comm_id, {"do": "link", "one": "notebook", "other": "slow", "up": False})
    assert (
        bound.value("await asyncio.sleep(0.1), sandbox.links['notebook', 'slow'].up")
        == "(None, False)"
    )


def test_a_message_of_a_control_gets_its_idle_while_a_cell_awaits(bound):
    bound.run("sandbox.link('notebook', 'slow', rtt=60)")
    bound.run(VIEW.format(kind="streams"))
    comm_id = bound.run("print(view.comm.comm_id)").stdout.strip()
    cell = bound.start(WAITS)
    bound.wait(cell, lambda output: "waits" in output.stdout)
    message = custom(bound, comm_id, {"do": "pace", "worker": "slow", "rate": 1000})
    bound.wait(message, lambda output: output.idle)
    assert not bound.output(cell).idle
    custom(bound, comm_id, {"do": "link", "one": "notebook", "other": "slow", "rtt": 0})
    bound.finish(cell)
    assert bound.value("sandbox.engine.paces") == "{'slow': 1000.0}"


@pytest.mark.any_kernel
def test_a_control_that_asks_for_nonsense_is_reported_and_changes_nothing(bound):
    bound.run(VIEW.format(kind="streams"))
    ran = bound.run("view._act({'do': 'link', 'one': 'notebook', 'other': 'nobody', 'rtt': 1})")
    assert "a control of a view failed" in ran.stderr
    assert "no link joins notebook and nobody" in ran.stderr
    assert bound.value("list(sandbox.links)") == "[]"


@pytest.mark.any_kernel
def test_a_held_stub_is_explained_by_what_keeps_it(kernel):
    kernel.run(COUNTER)
    kernel.run("%bind COUNTER=counter-service#CounterService")
    kernel.run("counter = await env.COUNTER.new_counter()")
    kernel.run(VIEW.format(kind="lifetimes"))
    kernel.run("view._act({'ask': 'all'})")
    stub = "next(dict(zip(sent[0]['columns']['stubs'], row)) for row in sent[0]['rows']['stubs'])"
    kernel.run(f"stub = {stub}")
    kernel.run(
        "view._act({'ask': 'why', 'stub': 1, 'holder': stub['holder'], 'site': stub['site']})"
    )
    assert "variable counter" in kernel.value("sent[-1]['text']")


@pytest.mark.any_kernel
def test_a_loaded_recording_is_shown_without_controls(bound, tmp_path):
    path = tmp_path / "lesson.jsonl"
    bound.run(f"await env.SLOW.answer()\nsandbox.recording.save({str(path)!r})")
    bound.run(f"from rpclab.trace.recording import Recording\nold = Recording.load({str(path)!r})")
    bound.run(VIEW.format(kind="view").replace("(sandbox.recording, sandbox)", "(old)"))
    bound.run("view._act({'ask': 'all'})")
    assert bound.value("sent[0]['live'], sent[1]['links']") == "(False, [])"
    assert bound.value("len(sent[0]['rows']['calls'])") == "1"


def test_closing_a_view_lets_its_rows_go(bound):
    bound.run(VIEW.format(kind="timeline"))
    bound.run("import gc, weakref\nchannel = weakref.ref(view._channel)\nview._act({'ask': 'all'})")
    assert bound.value("channel() is not None") == "True"
    bound.run("view.close()\ndel view, sent\ngc.collect()")
    assert bound.value("channel() is None") == "True"


def test_unloading_closes_every_view_and_ends_the_task(bound):
    bound.run("sandbox.view()")
    bound.run("sandbox.timeline()")
    tasks = "[t for t in asyncio.all_tasks() if 'Channels' in t.get_coro().__qualname__]"
    bound.run("import asyncio\nfrom ipywidgets.widgets.widget import _instances")
    live = "[w for w in _instances.values() if 'rpclab' in type(w).__module__]"
    assert bound.value(f"len({tasks}), len({live})") == "(1, 2)"
    bound.run("%unload_ext rpclab\nawait asyncio.sleep(0)")
    assert bound.value(f"len({tasks}), len({live})") == "(0, 0)"


def test_a_cell_runs_after_one_that_failed_while_a_view_is_shown(kernel):
    kernel.run("sandbox.timeline()")
    assert "ZeroDivisionError" in kernel.run("1 / 0").error
    assert kernel.value("6 * 7") == "42"
