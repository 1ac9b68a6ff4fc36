"""The demos' own code passes the type checker with the types that rpclab writes for it."""

import shutil
import subprocess
import sys

import pytest

from rpclab.cli import main

from .conftest import DEMOS

WORKERS = ["chatbot/bot", "chatbot/platform", "chatbot/webhook",
           "todo/audit", "todo/tasks", "todo/web"]  # fmt: skip


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A copy of the demos with the types written beside their configurations."""
    folder = tmp_path_factory.mktemp("typed") / "demos"
    shutil.copytree(DEMOS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for demo in ("chatbot", "todo"):
        assert main(["types", str(folder / demo)]) == 0
    return folder


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_of_the_demos_is_typed_throughout(typed, worker):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(typed / "cache"), "main.py"],
        cwd=typed / worker, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_role_may_not_do_is_known_before_it_runs(typed):
    wrong = typed / "todo" / "web" / "wrong.py"
    wrong.write_text(
        "from workers import WorkerEntrypoint\n"
        "class Hall(WorkerEntrypoint):\n"
        "    async def sweep(self) -> None:\n"
        "        await self.env.READER.delete(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(typed / "cache"), wrong.name],
        cwd=wrong.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert 'wrong.py:4: error: "ReaderBinding" has no attribute "delete"' in done.stdout
