"""What the tests of this floor share."""

from __future__ import annotations

import psycopg
import pytest
from support import postgres as server
from support.world import world

__all__ = ["world"]


@pytest.fixture(scope="session")
def postgres_server():
    """A server of PostgreSQL."""
    with server.server() as address:
        yield address


@pytest.fixture
def postgres(postgres_server):
    """The address of a database that is empty."""
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS rpclab_objects, rpclab_object_values")
    return postgres_server
