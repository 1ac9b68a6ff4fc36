"""How fast rpclab is on Pyodide: beside CPython, and beside Cap'n Web in the same browser.

    make site
    python -m benchmarks.browser [FOLDER]

Needs Chromium (RPCLAB_CHROMIUM, or /usr/bin/chromium) and playwright. All sides run the text of the
other benchmarks: rpclab that of `library.py`, on Pyodide in a worker of a page; Cap'n Web that of
`peers/capnweb.mjs`, in a page, between the ports of a MessageChannel. In each round the sides of a
workload run one after the other, each in a page or process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import ClassVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from benchmarks.pages import Quiet, served
from benchmarks.website import CHROMIUM, FLAGS, PATIENCE

HERE = Path(__file__).parent
CAPNWEB = HERE.parent / "rpclab" / "javascript" / "capnweb.js"
WORKLOADS = ("burst", "sequential", "chain", "dict1k")
OF_LIBRARY = ("__init__.py", "child.py", "library.py", "payload.json")

PYODIDE = """
import { loadPyodide } from "/lab/static/pyodide/start.mjs";

self.onmessage = async ({ data: [workload, seconds, files] }) => {
    const pyodide = await loadPyodide({});
    pyodide.FS.mkdir("benchmarks");
    for (const name of files) {
        pyodide.FS.writeFile(`benchmarks/${name}`, await (await fetch(`/bench/${name}`)).text());
    }
    pyodide.globals.set("given", pyodide.toPy([workload, seconds]));
    self.postMessage(await pyodide.runPythonAsync(`
        import json, sys
        sys.path.insert(0, ".")
        from benchmarks import library
        json.dumps(await getattr(library, given[0])(given[1]))
    `));
};
"""
ON_PYODIDE = """given => new Promise((resolve, reject) => {
    const worker = new Worker("/bench/pyodide.js", { type: "module" });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage(given);
})"""
# What `peers/capnweb.mjs` asks of Node.js.
PAGE = """<!doctype html><script type="importmap">{ "imports": {
    "capnweb": "/bench/capnweb.js",
    "node:assert/strict": "/bench/assert.js",
    "node:fs": "/bench/fs.js"
} }</script>"""
ASSERT = "export const deepEqual = () => {};"
FS = """export const readFileSync = url => {
    const request = new XMLHttpRequest();
    request.open("GET", url, false);
    request.send();
    return request.responseText;
};"""
BESIDE = """([workload, seconds]) => new Promise((resolve, reject) => {
    globalThis.process = { argv: ["", "", workload, seconds], exit() {} };
    console.log = resolve;
    import("/bench/peers/capnweb.mjs").catch(reject);
})"""
WRITTEN = {
    "/bench/": ("text/html", PAGE),
    "/bench/pyodide.js": ("text/javascript", PYODIDE),
    "/bench/assert.js": ("text/javascript", ASSERT),
    "/bench/fs.js": ("text/javascript", FS),
    "/bench/capnweb.js": ("text/javascript", CAPNWEB.read_text("utf-8")),
}


class Handler(Quiet):
    """Serves the site, and below /bench/ what is measured."""

    extensions_map: ClassVar[dict[str, str]] = {
        **Quiet.extensions_map,
        ".mjs": "text/javascript",
    }

    def do_GET(self) -> None:  # noqa: N802 - as the standard library calls it
        path = urlsplit(self.path).path
        if path not in WRITTEN:
            super().do_GET()
            return
        kind, text = WRITTEN[path]
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def end_headers(self) -> None:
        # A page that shares nothing with others has a clock of 5 µs; else of 100.
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def translate_path(self, path: str) -> str:
        if path.startswith("/bench/"):
            return str(HERE / urlsplit(path).path.removeprefix("/bench/"))
        return super().translate_path(path)


def in_page(browser: Browser, address: str, function: str, given: list[object]) -> dict[str, float]:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    try:
        page.goto(f"{address}/bench/")
        figures: dict[str, float] = json.loads(page.evaluate(function, given))
        return figures
    finally:
        page.close()


def on_cpython(workload: str, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.library", workload, str(seconds)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure rpclab on Pyodide.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("site"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    options = parser.parse_args()
    seconds = options.seconds
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print("Pyodide / …     a second       CPython (all rounds)       Cap'n Web (all rounds)")
    with (
        served(options.folder, Handler) as address,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
    ):
        for workload in WORKLOADS:
            rates, cpython, capnweb = [], [], []
            for _ in range(options.rounds):
                given = [workload, seconds, OF_LIBRARY]
                ours = in_page(browser, address, ON_PYODIDE, given)["rpclab"]
                peer = in_page(browser, address, BESIDE, [workload, seconds])
                rates.append(ours)
                cpython.append(ours / on_cpython(workload, seconds)["rpclab"])
                capnweb.append(ours / next(iter(peer.values())))
            print(
                f"{workload:12} {median(rates):11,.0f}  {ratios(cpython)}     {ratios(capnweb)}",
                flush=True,
            )


def ratios(found: list[float]) -> str:
    return f"{median(found):5.2f}x ({min(found):.2f} to {max(found):.2f})"


if __name__ == "__main__":
    main()
