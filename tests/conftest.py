"""Every async test runs on virtual time, in a loop of its own, and leaves nothing behind."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from support import async_tests
from support.virtual_time import VirtualTimeLoop

import rpclab

# A shell's background job ignores SIGINT, and so would each program that a test starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, and none is judged by a clock: the machine may be slow, or busy.
settings.register_profile(
    "rpclab",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("rpclab")


def pytest_collection_finish(session):
    """Let the collections after each test pass by what pytest and the libraries hold."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return async_tests.run(pyfuncitem, VirtualTimeLoop)


@pytest.fixture(autouse=True, scope="module")
def _what_a_module_leaves_is_passed_by():
    """Let later collections pass by what pytest keeps of the tests of a module, likewise."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_fails_unseen(caplog, request):
    """A failure that rpclab only reports fails the test, unless it expects reports."""
    caplog.set_level(logging.ERROR, logger="rpclab")
    yield
    if "expects_reports" in request.keywords:
        return
    reports = [r.getMessage() for r in caplog.get_records("call") if r.name == "rpclab"]
    assert not reports, reports


@pytest.fixture
def sandbox():
    """A fresh sandbox, closed at the end."""
    fresh = rpclab.Sandbox(record=True)
    yield fresh
    fresh.close()
    gc.collect()


@pytest.fixture(scope="session")
def cluster():
    """A Dask cluster of two nodes, for all tests that need none of their own."""
    from support.on_cluster import OneCluster  # noqa: PLC0415 - it loads Dask

    engine = OneCluster()
    yield engine
    engine.end()
