"""How long a visitor of the site waits for a first call, on a first visit and on a later one.

    make site
    python -m benchmarks.website [FOLDER]

Needs Chromium (RPCLAB_CHROMIUM, or /usr/bin/chromium), playwright and psutil. Each visit has a
browser that was just started; a later one finds what the first has kept on the disk. Beside the
seconds on the clock stand those that all processes of the browser have computed: on a machine that
does other things as well, these say more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.pages import Quiet, served

CHROMIUM = os.environ.get("RPCLAB_CHROMIUM") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE = 300_000  # milliseconds, on a machine that does other things as well
TUTORIAL = "lab/notebooks/index.html?path=notebooks/01-first-worker.ipynb"

# What the page tells of its kernel's stages, with the time since it was asked for.
MARKS = """() => performance.getEntriesByType('mark')
    .filter(mark => mark.name.startsWith('rpclab: '))
    .map(mark => [mark.name.slice(8), mark.startTime / 1000])"""


class Counting(Quiet):
    """Counts what it sends."""

    sent = 0

    def copyfile(self, source: Any, outputfile: Any) -> None:
        data = source.read()
        type(self).sent += len(data)
        outputfile.write(data)


def first_call_of_landing(page: Page, address: str) -> None:
    page.goto(address)
    page.locator(".rl-cell").last.get_by_role("button", name="Run").click()
    page.locator(".rl-cell").last.locator(".rl-tables").wait_for()


def first_cell_of_tutorial(page: Page, address: str) -> None:
    page.goto(f"{address}/{TUTORIAL}")
    page.wait_for_function(
        """() => {
            const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
            return context?.isReady && context.session?.kernel?.status === 'idle';
        }"""
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-above')")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.locator(".jp-OutputArea-output", has_text="class Default").first.wait_for()


PAGES: dict[str, Callable[[Page, str], None]] = {
    "landing page": first_call_of_landing,
    "tutorial": first_cell_of_tutorial,
}


def computed(parent: psutil.Process) -> float:
    """The seconds that all processes of the browser have computed."""
    total = 0.0
    for process in parent.children(recursive=True):
        try:
            if "chrom" in process.name():
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def visit(name: str, address: str, profile: str) -> tuple[float, float, float, list[Any]]:
    """Give seconds on the clock, seconds computed, megabytes that the server sent, and marks."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS, viewport={"width": 1280, "height": 900}
        )
        try:
            context.set_default_timeout(PATIENCE)
            page = context.pages[0]
            own = psutil.Process()
            before, sent, began = computed(own), Counting.sent, time.monotonic()
            PAGES[name](page, address)
            took = time.monotonic() - began
            marks = page.evaluate(MARKS)
            return took, computed(own) - before, (Counting.sent - sent) / 1e6, marks
        finally:
            context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the first call on the site.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("site"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--page", action="append", choices=PAGES)
    options = parser.parse_args()
    if not (options.folder / "index.html").exists():
        sys.exit(f"{options.folder} is no site: make site")
    size = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    print(f"{size / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'page':24} {'visit':7} {'first call':>11} {'computed':>10} {'sent':>9}")
    for _ in range(options.rounds):
        # A port of its own: nothing is kept of before.
        with served(options.folder, Counting) as address:
            for name in options.page or PAGES:
                with tempfile.TemporaryDirectory() as profile:
                    for kind in ("first", "later"):
                        took, busy, sent, marks = visit(name, address, profile)
                        print(f"{name:24} {kind:7} {took:9.1f} s {busy:8.1f} s {sent:6.1f} MB")
                        stages = ", ".join(f"{said} {at:.1f}" for said, at in marks)
                        print(f"  {stages}" * bool(stages), flush=True)


if __name__ == "__main__":
    main()
