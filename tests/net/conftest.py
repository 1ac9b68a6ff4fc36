"""Sessions with other programs, over real sockets of this machine."""

from __future__ import annotations

import gc

import pytest
from support.net import Api, certificates, far_sessions
from support.real_time import pytest_pyfunc_call

import rpclab

__all__ = ["certificates", "pytest_pyfunc_call"]


@pytest.fixture
def sandbox():
    """A sandbox, in which no session with another program is left at the end."""
    fresh = rpclab.Sandbox(record=True)
    yield fresh
    left = far_sessions(fresh)
    fresh.close()
    gc.collect()
    assert left == []


@pytest.fixture
def api():
    """What is served."""
    return Api()


@pytest.fixture(params=["memory", "unix", "tcp", "tls", "ws", "wss", "capnweb"])
def place(request, tmp_path, certificates, sandbox, api):
    """Each kind of link: how to serve at one, and what to connect with."""
    scheme = "ws" if request.param == "capnweb" else request.param
    where = {
        "memory": "memory:api",
        "unix": f"unix:{tmp_path}/api.sock",
    }.get(
        scheme, f"{scheme}:127.0.0.1:0" if scheme in ("tcp", "tls") else f"{scheme}://127.0.0.1:0/"
    )
    secure = {"tls": certificates} if scheme in ("tls", "wss") else {}
    codec = {"codec": "capnweb"} if request.param == "capnweb" else {}
    return Place(where, secure, codec, api)


class Place:
    """A link of one kind.

    Args:
        where: the address to serve at.
        secure: what both ends need of TLS.
        codec: which codec whoever dials asks for, if it asks for one.
        api: what is served.
    """

    def __init__(self, where, secure, codec, api) -> None:
        self.where = where
        self.secure = secure
        self.codec = codec
        self.api = api

    def serve(self, main=None, **options):
        return rpclab.serve(
            self.api if main is None else main, self.where, **self.secure, **options
        )

    def connect(self, server, **options):
        return rpclab.connect(server.address, **self.secure, **self.codec, **options)
