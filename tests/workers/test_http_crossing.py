"""What a peer sends as a Request, Response or Blob is checked where it comes in."""

import pytest

from rpclab.codecs.records import named

URL = "http://h/"


@pytest.mark.parametrize(
    ("kind", "parts", "why"),
    [
        ("Request", ["GET / HTTP/1.1\r\nX-A: 1", URL, "follow", None, [], None], "HTTP method"),
        ("Request", [5, URL, "follow", None, [], None], "HTTP method"),
        ("Request", ["GET", URL, "sideways", None, [], None], "redirect value"),
        ("Request", ["GET", URL, "follow", {1: b""}, [], None], "cf must be a JSON value"),
        ("Request", ["GET", "nowhere", "follow", None, [], None], "Invalid URL"),
        ("Request", ["PUT", URL, "follow", None, [], 5], "sent as bytes or a stream, not as int"),
        ("Response", [200, "", [], "text"], "sent as bytes or a stream, not as str"),
        ("Response", [200, "", [["x", "a\r\nb: c"]], None], "Invalid header value"),
        ("Blob", ["text", ""], "sent as bytes, not as str"),
        ("Blob", [[b"a", b"b"], ""], "sent as bytes, not as list"),
    ],
)
def test_what_is_no_message_of_http_cannot_be_read(kind, parts, why):
    with pytest.raises(TypeError, match=why):
        named(kind).build(parts)
