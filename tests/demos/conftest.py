"""The demos, each in a sandbox of its own."""

from pathlib import Path

import pytest

import rpclab

DEMOS = Path(__file__).parents[2] / "demos"


@pytest.fixture
def todo():
    """The to-do application."""
    fresh = rpclab.Sandbox.from_config(DEMOS / "todo", record=True)
    yield fresh
    fresh.close()


@pytest.fixture
def chatbot():
    """The chatbot."""
    fresh = rpclab.Sandbox.from_config(DEMOS / "chatbot", record=True)
    yield fresh
    fresh.close()
