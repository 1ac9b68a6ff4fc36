"""The small server that shows a demo to the browsers of this machine."""

import http.client
import logging
from urllib.parse import urlsplit

import pytest

from demos.serve import LARGEST, serving

WEB = """\
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.url.endswith("/fail"):
            raise RuntimeError("on purpose")
        response = Response(f"{request.method} {request.url} {await request.text()}", 201)
        response.headers.append("set-cookie", "a=1")
        response.headers.append("set-cookie", "b=2")
        return response
"""


@pytest.fixture
def ask(tmp_path):
    """Ask the Worker over HTTP; give the response, with its text read."""
    (tmp_path / "wrangler.toml").write_text('name = "web"\nmain = "web.py"\n')
    (tmp_path / "web.py").write_text(WEB)
    with serving(tmp_path, "web") as address:
        place = urlsplit(address)
        connection = http.client.HTTPConnection(place.hostname, place.port)

        def ask(*request, **options):
            connection.request(*request, **options)
            response = connection.getresponse()
            text = response.read().decode().replace(address, "HERE")
            connection.close()
            return response, text

        yield ask


def test_a_request_and_its_response_arrive_whole(ask):
    response, text = ask("POST", "/a?b=c", body="tea")
    assert (response.status, text) == (201, "POST HERE/a?b=c tea")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]


def test_whatever_a_page_calls_this_machine_the_worker_sees_its_own_address(ask):
    assert ask("GET", "/", headers={"host": "evil.test"})[1] == "GET HERE/ "


def test_a_worker_that_fails_is_an_error_of_the_server_and_the_next_request_is_answered(
    ask, caplog
):
    with caplog.at_level(logging.ERROR, logger="demos"):
        assert ask("GET", "/fail")[0].status == 500
    assert "on purpose" in caplog.text
    assert ask("HEAD", "/")[0].status == 201


def test_a_body_that_is_too_large_is_refused(ask):
    assert ask("POST", "/", headers={"content-length": str(LARGEST + 1)})[0].status == 413


def test_a_folder_that_cannot_be_served_is_the_callers_error(tmp_path):
    with pytest.raises(Exception, match="no wrangler"), serving(tmp_path, "web"):
        pass
