"""FormData: the names and values of a form, and forms as the bodies of messages.

Floor: workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from multidict import MultiDict

from rpclab.previews import shown
from rpclab.workers.http.blobs import Blob, File
from rpclab.workers.http.multipart import decode_parts
from rpclab.workers.http.text import decoded
from rpclab.workers.javascript_names import also_in_javascript

if TYPE_CHECKING:
    from collections.abc import ItemsView, ValuesView

FormValue = str | Blob

_SHOWN = 100  # characters of a text that an error quotes


@also_in_javascript
class FormData(MutableMapping[str, FormValue]):
    """The fields of a form, in order; a name may have several values.

    It is sent as the body of a Request or Response, and not over RPC by itself (rule V18).

    Args:
        init: a mapping, or pairs of name and value. A value is a text, a Blob or a File; numbers
            and booleans are written as texts.

    Raises:
        TypeError: a value is something else.
    """

    __slots__ = ("_fields",)

    def __init__(
        self, init: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None, /
    ) -> None:
        self._fields: MultiDict[FormValue] = MultiDict()
        pairs = init.items() if isinstance(init, Mapping) else init
        for name, value in pairs or ():
            self.append(name, value)

    def __getitem__(self, name: str) -> FormValue:
        return self._fields.getone(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._fields[name] = _checked(name, value)

    def __delitem__(self, name: str) -> None:
        del self._fields[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.items())

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def has(self, name: str, /) -> bool:
        """Whether there is a field of that name.

        Args:
            name: of the field.
        """
        return name in self._fields

    def get_all(self, name: str, /) -> list[FormValue]:
        """All values of a name, in order.

        Args:
            name: of the field.
        """
        return self._fields.getall(name, [])

    def append(self, name: str, value: Any, filename: str | None = None) -> None:
        """Add a field behind the others.

        Args:
            name: of the field.
            value: a text, a Blob or a File.
            filename: what the file is called, where `value` is a Blob.
        """
        self._fields.add(name, _checked(name, value, filename))

    def set(self, name: str, value: Any, filename: str | None = None) -> None:
        """Give a name this one value, where its first one stood.

        Args:
            name: of the field.
            value: as of `append`.
            filename: likewise.

        Raises:
            TypeError: it can be no value of a form.
        """
        self._fields[name] = _checked(name, value, filename)

    def delete(self, name: str, /) -> None:
        """Remove all fields of a name, if there are any.

        Args:
            name: of the fields.
        """
        self._fields.popall(name, None)

    def values(self) -> ValuesView[FormValue]:
        """The values, in order."""
        return self._fields.values()

    def items(self) -> ItemsView[str, FormValue]:
        """The pairs of name and value, in order."""
        return self._fields.items()

    def entries(self) -> list[tuple[str, FormValue]]:
        """The pairs of name and value, in order."""
        return list(self._fields.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FormData):
            return NotImplemented
        return self.entries() == other.entries()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FormData({self.entries()!r})"


def parse_form(data: bytes, content_type: str | None) -> FormData:
    """Read the body of a message as a form.

    Args:
        data: the body.
        content_type: what the headers say it is.

    Raises:
        TypeError: it is no form, or not the one that it says it is.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return FormData(urlencoded_pairs(data))
    if kind != "multipart/form-data":
        raise TypeError(
            "a form is multipart/form-data or application/x-www-form-urlencoded,"
            f" not {shown(kind, _SHOWN)}"
            if kind
            else "the headers do not say what the body is: a form has a Content-Type"
        )
    form = FormData()
    for part in decode_parts(data, content_type or ""):
        if part.filename:
            form.append(part.name, File(part.data, part.filename, part.content_type))
        else:
            form.append(part.name, decoded(part.data))
    return form


def urlencoded_pairs(data: bytes) -> list[tuple[str, str]]:
    """Read application/x-www-form-urlencoded, as the URL standard says."""
    # Latin-1 carries each byte through, for a character may be written half with escapes.
    pairs = parse_qsl(data.decode("latin-1"), keep_blank_values=True, encoding="latin-1")
    return [(_from_latin_1(name), _from_latin_1(value)) for name, value in pairs]


def _from_latin_1(text: str) -> str:
    return text.encode("latin-1").decode(errors="replace")


def _checked(name: Any, value: Any, filename: str | None = None) -> FormValue:
    if not isinstance(name, str):
        raise TypeError(f"the name of a field is a text, not {type(name).__name__}")
    if isinstance(value, Blob):
        if isinstance(value, File) and filename is None:
            return value
        # As in browsers: a Blob in a form is a file, which is called "blob" where nobody says.
        return File(value, "blob" if filename is None else filename)
    if filename is not None:
        raise TypeError("only a Blob has a filename")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(
        f"the value of the field {shown(name, _SHOWN)} is a text or a Blob,"
        f" not {type(value).__name__}"
    )
