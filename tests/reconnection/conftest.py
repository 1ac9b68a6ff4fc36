"""Connections that outlive their sessions, on virtual time."""

from __future__ import annotations

import pytest
from support.net import far_sessions
from support.reconnection import Place

from rpclab.net import memory


@pytest.fixture
def place(sandbox):
    """A place where a server can be."""
    found = Place()
    yield found
    left = far_sessions(sandbox)
    memory.listening.clear()
    assert left == []
    assert all(lasting.state == "closed" for lasting in found.open)
    assert not sandbox.engine.lasting
