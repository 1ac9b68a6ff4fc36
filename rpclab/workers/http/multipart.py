"""multipart/form-data: a form as bytes, and back.

Floor: workers. Written as the platform does; read with python-multipart, and names as the platform
and browsers write them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from rpclab.workers.http.blobs import Blob, File
from rpclab.workers.http.text import decoded, encoded

_SHOWN = 100  # characters of a header that an error quotes
_BOUNDARY = re.compile(r';\s*boundary=("?)([^";]+)\1', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPES = {"\n": "%0A", "\r": "%0D", '"': "%22", "\\": r"\\"}
_TO_ESCAPE = re.compile(r'[\n\r"\\]')
_ESCAPED = re.compile(r"\\(.)|%(0A|0D|22)", re.DOTALL)


class Part(NamedTuple):
    """One field of a form; a file where it has a filename that is not empty."""

    name: str
    filename: str
    content_type: str
    data: bytes


def encode_form(form: Mapping[str, str | Blob]) -> tuple[bytes, str]:
    """Write a form as multipart/form-data.

    Returns:
        The bytes, and the content type with the boundary.
    """
    boundary = f"----rpclab-form-{secrets.token_hex(16)}"
    pieces = []
    for name, value in form.items():
        head = f'Content-Disposition: form-data; name="{_escaped(_crlf(name))}"'
        if isinstance(value, Blob):
            filename = value.name if isinstance(value, File) else "blob"
            kind = value.content_type or "application/octet-stream"
            head += f'; filename="{_escaped(filename)}"\r\nContent-Type: {kind}'
            data = value._data
        else:
            data = encoded(_crlf(value))
        pieces += [encoded(f"--{boundary}\r\n{head}\r\n\r\n"), data, b"\r\n"]
    pieces.append(encoded(f"--{boundary}--\r\n"))
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def decode_parts(data: bytes, content_type: str) -> list[Part]:
    """Read multipart/form-data.

    Args:
        data: the body.
        content_type: says the boundary.

    Raises:
        TypeError: it is none, or ends before its last boundary.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise TypeError(f"no boundary in the Content-Type {content_type[:_SHOWN]!r}")
    reading = _Reading()
    try:
        parser = MultipartParser(boundary[2].strip(), reading.callbacks())
        parser.write(data)
        parser.finalize()
    except FormParserError as error:
        raise TypeError(f"the body is no multipart/form-data: {error}") from None
    if not reading.ended:
        raise TypeError("the body is no multipart/form-data: it ends before its last boundary")
    return reading.parts


class _Reading:
    """What the parser has met up to now."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._headers: dict[str, str] = {}
        self._field = self._value = b""
        self._data: list[bytes] = []

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
            "on_part_end": self._on_part,
            "on_end": self._on_end,
        }

    def _begin(self) -> None:
        self._headers = {}
        self._data = []

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[decoded(self._field).lower()] = decoded(self._value).strip()
        self._field = self._value = b""

    def _on_part(self) -> None:
        disposition = self._headers.get("content-disposition", "")
        found = dict(_PARAMETER.findall(disposition))
        if not disposition.lower().startswith("form-data") or "name" not in found:
            raise TypeError(
                "the body is no multipart/form-data: a part has no Content-Disposition with a name"
            )
        self.parts.append(
            Part(
                _unescaped(found["name"]),
                _unescaped(found.get("filename", "")),
                self._headers.get("content-type", ""),
                b"".join(self._data),
            )
        )

    def _on_end(self) -> None:
        self.ended = True


def _crlf(text: str) -> str:
    return _LINE_END.sub("\r\n", text)


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: found[1] or chr(int(found[2], 16)), text)
