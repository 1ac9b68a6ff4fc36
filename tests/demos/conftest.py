"""The demos, each in a sandbox of its own."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

import rpclab
from rpclab.declared import declared
from rpclab.export import export

DEMOS = Path(__file__).parents[2] / "demos"


@pytest.fixture(scope="session", params=["as written", "exported"])
def folder(request, tmp_path_factory):
    """The to-do application as it is, and as `rpclab.export` writes it.

    Secrets are not exported, so they are put beside it by hand.
    """
    written = DEMOS / "todo"
    if request.param == "as written":
        return written
    target = tmp_path_factory.mktemp("exported") / "todo"
    with closing(rpclab.Sandbox.from_config(written)) as sandbox:
        export(declared(sandbox), target)
    shutil.copy(written / "web" / ".dev.vars", target / "web")
    return target


@pytest.fixture
def todo(folder):
    """The to-do application."""
    fresh = rpclab.Sandbox.from_config(folder, record=True)
    yield fresh
    fresh.close()


@pytest.fixture
def chatbot():
    """The chatbot."""
    fresh = rpclab.Sandbox.from_config(DEMOS / "chatbot", record=True)
    yield fresh
    fresh.close()
