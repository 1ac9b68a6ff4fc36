"""How smooth the live views are: with 10,000 events; and the kernel's share at 1,000 a second.

    python -m benchmarks.views

Needs Chromium (RPCLAB_CHROMIUM, or /usr/bin/chromium), playwright and nbclient. Prints a table; the
goals stand in it. A shared machine makes single runs differ; run it twice before you believe it.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import Browser, sync_playwright

import rpclab
from rpclab.notebook.widgets.channel import Channel
from rpclab.notebook.widgets.live import VIEWS

CHROMIUM = os.environ.get("RPCLAB_CHROMIUM") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
EVENTS = 10_000

SOURCE = """
from workers import RpcTarget, WorkerEntrypoint

class Node(RpcTarget):
    def next(self):
        return Node()

class Default(WorkerEntrypoint):
    def root(self):
        return Node()

    def echo(self, value):
        return value

    async def relay(self, value):
        return await self.env.NEXT.echo(value)

    async def call_back(self, callback):
        return await callback(20) + await callback(22)
"""

# Gives milliseconds until the rows are drawn, and until each of the frames of a scrubbing hand.
MEASURE = """async ([esm, text]) => {
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
    const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }));
    const view = (await import(url)).default;
    const listeners = [];
    const model = { on: (_, listener) => listeners.push(listener), off() {}, send() {} };
    view.render({ model, el: document.body });
    await frame();
    const start = performance.now();
    listeners.forEach(listener => listener(JSON.parse(text)));
    // The rows are taken in at once; the next frame lays out, the one after it draws.
    for (let n = 0; n < 4; n++) await frame();
    const drawn = performance.now() - start;
    const slider = document.querySelector('.rl-scrubber input');
    const steps = Number(slider.max);
    const scrub = async () => {
        const times = [];
        let last = performance.now();
        for (let n = 0; n < 120; n++) {
            slider.value = Math.round(steps * (0.5 - 0.5 * Math.cos(n / 10)));
            slider.dispatchEvent(new Event('input'));
            await frame();
            times.push(performance.now() - last);
            last = performance.now();
        }
        return times.sort((one, other) => one - other);
    };
    return { drawn, plain: await scrub(), steps };
}"""

# With a view that sends, and without: the share of a kernel's time at 1,000 events a second. What
# the program itself takes is the same in both, and taken off.
KERNEL = """
import asyncio, time
from rpclab.notebook.widgets.live import VIEWS
sandbox.deploy("busy", source=SOURCE)
env = sandbox.bind(BUSY="busy")

async def share(seconds=6):
    began, cpu, events = time.monotonic(), time.process_time(), sandbox.recording.mark
    while (now := time.monotonic()) - began < seconds:
        if sandbox.recording.mark - events < 1000 * (now - began):
            await env.BUSY.echo(1)
        else:
            await asyncio.sleep(0.005)
    rate = (sandbox.recording.mark - events) / seconds
    return (time.process_time() - cpu) / seconds, rate

without, _ = await share()
view = VIEWS["view"](sandbox.recording, sandbox)
view._act({"ask": "all"})
watched, rate = await share()
print(watched - without, rate, without)
"""


async def recorded() -> Any:
    """A recording of that many events of many kinds."""
    async with rpclab.Sandbox(record=True) as sandbox:
        sandbox.deploy("last", source=SOURCE)
        sandbox.deploy("first", source=SOURCE, bind={"NEXT": "last"})
        env = sandbox.bind(FIRST="first", LAST="last")
        while len(sandbox.recording) < EVENTS:
            async with sandbox.event():
                node = await env.FIRST.root()
                await node.next().next()
                await rpclab.gather(env.FIRST.relay("x"), env.LAST.echo("hello"))
                await env.FIRST.call_back(lambda value: value)
        return sandbox.recording


def page_figures(browser: Browser, kind: str, rows: str) -> dict[str, Any]:
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.set_content(f"<meta charset=utf-8><style>{VIEWS[kind]._css}</style><body>")
    figures: dict[str, Any] = page.evaluate(MEASURE, [str(VIEWS[kind]._esm), rows])
    page.close()
    return figures


def kernel_figures() -> list[float]:
    cells = ["%load_ext rpclab", f"SOURCE = '''{SOURCE}'''", KERNEL]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    NotebookClient(notebook, timeout=60).execute()
    return [float(word) for word in notebook.cells[-1].outputs[0]["text"].split()]


def main() -> None:
    sent: list[dict[str, Any]] = []
    recording = asyncio.run(recorded())
    Channel(recording).open(sent.append)
    rows = json.dumps(sent[0])
    print(f"{len(recording):,} events, {len(rows):,} characters of rows")
    print("view       first drawn (goal < 1000 ms)   frames a second while scrubbing (goal >= 30)")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
    ):
        for kind in VIEWS:
            figures = page_figures(browser, kind, rows)
            times = figures["plain"]
            median, slow = times[len(times) // 2], times[len(times) * 95 // 100]
            frames = f"{1000 / median:.0f}, and {1000 / slow:.0f} in the slowest twentieth"
            print(f"{kind:10} {figures['drawn']:6.0f} ms {'':20} {frames}")
    more, rate, without = kernel_figures()
    print(f"the kernel's share of a live view at {rate:.0f} events/s: {more:.1%} (goal < 10%);")
    print(f"the program itself takes {without:.1%}")


if __name__ == "__main__":
    main()
