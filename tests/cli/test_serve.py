"""`rpclab serve` and `rpclab call`: a server, and a call to it, from the shell."""

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager

import pytest

from rpclab.cli import main

SHOP = """
import asyncio
from workers import Response, RpcTarget, WorkerEntrypoint


class Cart(RpcTarget):
    _count = 0

    def add(self, name: str):
        self._count += 1
        return self._count


class Default(WorkerEntrypoint):
    def fetch(self, request):
        print("somebody came")
        return Response(f"the shop at {request.url.partition('/')[2].partition('/')[2]}")


class Orders(WorkerEntrypoint):
    def place(self, item: str, count: int = 1):
        return {"ordered": item, "count": count}

    def cart(self):
        return Cart()

    def fail(self):
        raise ValueError("nothing left")

    async def wait(self):
        await asyncio.Event().wait()
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The file of the Worker."""
    path = tmp_path_factory.mktemp("shop") / "shop.py"
    path.write_text(SHOP)
    return path


@contextmanager
def serving(*words):
    """A server in a process of its own; gives the process, and its address."""
    command = [sys.executable, "-m", "rpclab", "serve", "--port", "0", *map(str, words)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        # A server that never comes up must not keep the tests waiting.
        guard = threading.Timer(120, process.kill)
        guard.start()
        url = process.stdout.readline().strip()
        guard.cancel()
        try:
            assert url, process.stderr.read()
            yield process, url
        finally:
            process.kill()


def test_a_binding_to_a_worker_that_is_not_served_is_named_as_the_server_starts(tmp_path):
    (tmp_path / "web.py").write_text("from workers import WorkerEntrypoint\n")
    (tmp_path / "shop.py").write_text(
        "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint): pass\n"
    )
    config = 'name = "web"\nmain = "web.py"\n[[services]]\nbinding = "SHOP"\nservice = "shop"\n'
    (tmp_path / "wrangler.toml").write_text(config)
    for more, told in (([], True), ([tmp_path / "shop.py"], False)):
        with serving(tmp_path / "wrangler.toml", *more) as (process, _):
            process.send_signal(signal.SIGINT)
            said = process.communicate()[1]
        assert ('leads to the Worker "shop", which is not served' in said) == told


@pytest.fixture(scope="module")
def url(shop):
    """The address of a server that offers an entrypoint at /orders."""
    with serving(shop, "--expose", "shop#Orders=/orders") as (_, address):
        yield address


def sockets(url):
    return url.replace("http", "ws", 1)


def get(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url) as answer:
        return answer.read().decode()


def test_http_goes_to_the_worker_that_has_fetch(url):
    assert get(f"{url}/tea").startswith("the shop at ")


@pytest.mark.parametrize("address", [sockets, str], ids=["WebSocket", "batch"])
def test_an_exposed_entrypoint_is_called_from_the_shell(url, capsys, address):
    assert main(["call", f"{address(url)}/orders", "place", "tea", "2"]) == 0
    assert capsys.readouterr().out == '{"ordered": "tea", "count": 2}\n'


def test_keyword_arguments_go_where_the_peer_has_them(url, capsys):
    assert main(["call", f"{sockets(url)}/orders", "place", "tea", "-k", "count=2"]) == 0
    assert capsys.readouterr().out == '{"ordered": "tea", "count": 2}\n'


def test_a_way_to_a_method_goes_over_the_network_in_one_piece(url, capsys):
    assert main(["call", f"{sockets(url)}/orders", "cart().add", "tea"]) == 0
    assert capsys.readouterr().out == "1\n"


def test_a_stub_whose_names_are_known_over_there_alone_is_shown_as_such(url, capsys):
    assert main(["call", f"{sockets(url)}/orders", "cart"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("<RpcStub ws://")
    assert "What it offers is known at the other end alone:" in err


def test_what_peers_send_is_checked_against_annotations(url, capsys):
    assert main(["call", f"{sockets(url)}/orders", "place", "5"]) == 1
    assert "place(): item is 5 (int), and should be a valid string" in capsys.readouterr().err
    assert main(["call", f"{sockets(url)}/orders", "cart().add", "5"]) == 1
    assert "add(): name is 5 (int)" in capsys.readouterr().err


def test_a_server_may_take_any_arguments(shop, capsys):
    words = [shop, "--expose", "shop#Orders=/orders", "--no-validate"]
    with serving(*words) as (_, address):
        assert main(["call", f"{sockets(address)}/orders", "place", "5"]) == 0
    assert capsys.readouterr().out == '{"ordered": 5, "count": 1}\n'


def test_a_call_that_fails_over_there_ends_with_status_1(url, capsys):
    assert main(["call", f"{sockets(url)}/orders", "fail"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "ValueError: nothing left")


def test_a_call_that_takes_too_long_is_given_up(url, capsys):
    assert main(["call", f"{sockets(url)}/orders", "wait", "--timeout", "0.05"]) == 1
    assert capsys.readouterr().err == "no answer after 0.05 s\n"


@pytest.mark.parametrize(
    "address", ["tcp:127.0.0.1:1", "ws://127.0.0.1:1/", "unix:/nowhere/at/all"]
)
def test_a_peer_that_cannot_be_reached_ends_with_status_3(capsys, address):
    assert main(["call", address, "hello"]) == 3
    assert "cannot be reached" in capsys.readouterr().err


def test_what_was_not_exposed_is_not_there(url):
    assert main(["call", f"{sockets(url)}/elsewhere", "place", "tea"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere://a", "hello"], "nowhere"),
        (["tcp:127.0.0.1:1"], "Missing argument 'METHOD'"),
        (["ws://127.0.0.1:1/", "hello", "--codec", "xml"], "'xml' is not one of"),
        (["ws://127.0.0.1:1/", "hello", "--header", "a"], "'a' is not of the form NAME=VALUE"),
    ],
)
def test_a_wrong_line_of_call_is_told_and_ends_with_status_2(capsys, words, said):
    with pytest.raises(SystemExit) as caught:
        main(["call", *words])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--expose", "shop#Orders"], "an exposure is worker#Entrypoint=/path"),
        (["--expose", "shop#Orders=orders"], 'an exposed path begins with "/"'),
        (["--route", "/a"], "'/a' is not of the form PLACE=WORKER"),
        (["--expose", "shpo#Orders=/a"], "no Worker 'shpo' is served; did you mean 'shop'?"),
        (["--route", "/a=other"], "no Worker 'other' is served; there are: shop"),
        (["--worker", "other"], "no Worker 'other' is served; there are: shop"),
        (["--port", "70000"], "70000 is not in the range"),
    ],
)
def test_a_wrong_line_of_serve_is_told_and_ends_with_status_2(shop, capsys, words, said):
    with pytest.raises(SystemExit) as caught:
        main(["serve", str(shop), *words])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--expose", "shop#Order=/a"], ["--route", "/a=shop#Order"], ["--worker", "shop#Order"]],
)
def test_an_entrypoint_that_is_not_there_is_told(shop, capsys, words):
    assert main(["serve", str(shop), "--port", "0", *words]) == 1
    assert 'exports no entrypoint "Order"' in capsys.readouterr().err


def test_a_token_is_asked_for_and_told_with_the_address(shop, capsys):
    words = [shop, "--expose", "shop#Orders=/orders", "--token", "sesame"]
    with serving(*words) as (_, address):
        assert address.endswith("/?token=sesame")
        orders = sockets(address.partition("/?")[0]) + "/orders"
        assert main(["call", orders, "place", "tea"]) == 3
        assert main(["call", orders, "place", "tea", "--token", "sesame"]) == 0


def test_both_ends_show_certificates_of_one_folder(shop, tmp_path, capsys):
    folder = str(tmp_path / "certificates")
    words = [shop, "--expose", "shop#Orders=/orders", "--tls", folder]
    with serving(*words) as (_, address):
        assert address.startswith("https://")
        orders = sockets(address) + "/orders"
        assert main(["call", orders, "place", "tea", "--tls", folder]) == 0
        assert main(["call", orders, "place", "tea"]) == 3
    assert capsys.readouterr().out == '{"ordered": "tea", "count": 1}\n'


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_a_request_is_told_in_a_line_and_a_signal_stops_it(shop):
    with serving(shop) as (process, address):
        get(f"{address}/tea")
        process.send_signal(signal.SIGTERM)
        told = process.stderr.read()
        assert process.wait() == 0
        assert process.stdout.read() == ""
    assert " GET /tea 200 " in told
    assert "somebody came\n" in told
    assert "stopping; once more does not wait" in told


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_a_worker_that_computes_for_ever_does_not_keep_its_server_from_stopping(tmp_path):
    (tmp_path / "spin.py").write_text(
        "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
        "    def fetch(self, request):\n        print('begun')\n        while True: pass\n"
    )
    with serving(tmp_path / "spin.py") as (process, address):
        host, port = address.rpartition("/")[2].split(":")
        with socket.create_connection((host, int(port))) as asking:
            asking.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for words in ("begun\n", "stopping; once more does not wait"):
                while words not in process.stderr.readline():
                    pass
                process.send_signal(signal.SIGINT)
            told = process.stderr.read()
        assert process.wait() == 130
    assert "left by KeyboardInterrupt" in told


def test_configurations_and_code_are_served_together(tmp_path, shop):
    (tmp_path / "wrangler.toml").write_text('name = "other"\nmain = "other.py"\n')
    (tmp_path / "other.py").write_text(
        "from workers import Response, WorkerEntrypoint\nclass Default(WorkerEntrypoint):\n"
        "    def fetch(self, request): return Response('the other')\n"
    )
    with serving(shop, tmp_path, "--route", "/other=other") as (_, address):
        assert get(f"{address}/other/x") == "the other"
        assert get(f"{address}/x").startswith("the shop")


def test_two_workers_of_one_name_are_refused_with_both_files(tmp_path, shop, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "shop.py").write_text("")
    assert main(["serve", str(shop), str(other / "shop.py"), "--port", "0"]) == 1
    assert f'{other / "shop.py"}: the name "shop" is taken by {shop}' in capsys.readouterr().err
    (other / "wrangler.toml").write_text('name = "shop"\nmain = "shop.py"\n')
    assert main(["serve", str(shop), str(other / "wrangler.toml"), "--port", "0"]) == 1
    assert f'the name "shop" is taken by {shop}' in capsys.readouterr().err
