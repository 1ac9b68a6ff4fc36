"""A child: how long a program waits for `import rpclab`, and a notebook for `%load_ext rpclab`.

Imports nothing of rpclab itself, for that is what is timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from statistics import median
from time import perf_counter

from benchmarks.child import Figures, answer

REPEATS = 7

NO_CACHE = "PYTHONDONTWRITEBYTECODE"


def interpreter_seconds(program: str) -> float:
    # An installed library is compiled once; without the cache each import would compile it anew.
    environment = {name: value for name, value in os.environ.items() if name != NO_CACHE}
    start = perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    return perf_counter() - start


async def imports(_seconds: float) -> Figures:
    programs = {"bare": "", "asyncio": "import asyncio", "rpclab": "import rpclab"}
    times: dict[str, list[float]] = {name: [] for name in programs}
    interpreter_seconds(programs["rpclab"])  # writes the compiled files
    for _ in range(REPEATS):
        for name, program in programs.items():
            times[name].append(interpreter_seconds(program))
    bare = median(times["bare"])
    return {name: median(times[name]) - bare for name in ("asyncio", "rpclab")}


async def load_ext(_seconds: float) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPYTHONDIR"] = folder  # not the user's profile and history
        from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415 - reads it
        from traitlets.config import Config  # noqa: PLC0415 - comes with IPython

        shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
        start = perf_counter()
        shell.run_cell("%load_ext rpclab")
        elapsed = perf_counter() - start
        assert "rpclab" in shell.extension_manager.loaded, "the extension did not load"
    return {"rpclab": elapsed}


if __name__ == "__main__":
    answer({"import": imports, "load_ext": load_ext})
