"""What cannot be sent, or was no value when it came, in words (rules V14, V15).

Floor: codecs.
"""

from __future__ import annotations

import array
import builtins
import datetime as dt
import enum
import io
import os
import re
import uuid
from decimal import Decimal
from typing import Any

from rpclab.codecs.records import advice as record_advice
from rpclab.errors import DataCloneError, MessageTooLargeError, RemoteProtocolError
from rpclab.previews import class_name, preview

_BY_NAME: dict[str, str] = {
    "generator": "wrap it in ReadableStream, or send a list of what it yields",
    "async_generator": "wrap it in ReadableStream, or send a list of what it yields",
    "coroutine": "await it first",
    "Future": "await it first",
    "Task": "await it first",
    "module": "send the values in it that are needed",
    "range": "send list(value)",
    "complex": "send (value.real, value.imag)",
    "Fraction": "send (value.numerator, value.denominator)",
    "deque": "send list(value)",
    "mappingproxy": "send dict(value)",
    "ChainMap": "send dict(value)",
    "UserDict": "send dict(value)",
    "dict_keys": "send list(value)",
    "dict_values": "send list(value)",
    "dict_items": "send dict(value)",
    "FormData": "send it as the body of a Request or Response, or send list(value.items())",
    "ParseResult": "send value.geturl()",
    "SplitResult": "send value.geturl()",
    "URL": "send str(value)",
    "ExtType": "extension types belong to the protocol; send its parts",
    "Timestamp": "send value.to_datetime()",
    "D1Database": "a database stays with the Workers it is bound to: send the rows, or a stub of"
    " an RpcTarget that asks it",
    "D1DatabaseSession": "a database stays with the Workers it is bound to: send the rows",
    "KVNamespace": "a namespace stays with the Workers it is bound to: send the values, or a"
    " stub of an RpcTarget that reads them",
    "DurableObjectNamespace": "a namespace stays with the Workers it is bound to: send a stub of"
    " one object",
    "DurableObjectId": "send str(id), and make it again with id_from_string()",
    "D1PreparedStatement": "run it, and send the rows",
}

_OF_PANDAS: dict[str, str] = {
    "DataFrame": 'send value.to_dict("records"), which is a list with a dict for each row',
    "Series": "send value.to_list(), or value.to_dict()",
    "Index": "send value.to_list()",
    "RangeIndex": "send value.to_list()",
    "DatetimeIndex": "send value.to_pydatetime().tolist()",
    "Categorical": "send value.to_list()",
    "Timestamp": "send value.to_pydatetime()",
    "Timedelta": "send value.to_pytimedelta()",
    "Period": "send str(value)",
    "Interval": "send (value.left, value.right)",
    "NaTType": "send None in its place",
    "NAType": "send None in its place",
}

_CONVERSIONS: dict[type, str] = {
    bool: "bool(value)",
    int: "int(value)",
    float: "float(value)",
    str: "str(value)",
    bytes: "bytes(value)",
    bytearray: "bytes(value)",
    dict: "dict(value)",
    list: "list(value)",
    tuple: "tuple(value)",
    set: "set(value)",
    frozenset: "frozenset(value)",
    dt.datetime: "datetime.fromisoformat(value.isoformat())",
    dt.date: "date.fromordinal(value.toordinal())",
    dt.time: "time.fromisoformat(value.isoformat())",
    dt.timedelta: "timedelta(value.days, value.seconds, value.microseconds)",
    Decimal: "Decimal(value)",
    uuid.UUID: "UUID(int=value.int)",
    array.array: "array(value.typecode, value)",
}
"""How a value of a subclass becomes one of the type itself, which can be sent."""


def unsendable(value: Any, why: str = "") -> DataCloneError:
    """Build the error of rules V14 and V15, with advice; the path is added by whoever knows it."""
    kind = type(value)
    # numpy has a class called `bool`, too.
    name, module = class_name(kind), _module_of(kind)
    if hasattr(builtins, name) and module != "builtins":
        name = f"{module}.{name}"
    error = DataCloneError(
        f'Could not serialize object of type "{name}". This type does not support serialization.'
    )
    error.add_note(why or _advice(value, kind))
    error.culprit = value  # type: ignore[attr-defined]
    return error


def malformed(what: str, parts: object) -> RemoteProtocolError:
    """Build the error about parts of which no peer makes a value: `what` names the value."""
    return RemoteProtocolError(
        f"the peer sent a frame that is no message: no {what} is made of {preview(parts)}"
    )


def came_too_deep(nesting: int) -> RemoteProtocolError:
    """Build the error about a message of the peer that nests too deeply."""
    return RemoteProtocolError(
        "the peer sent a frame that is no message: it nests deeper than"
        f" {nesting} containers (Limits.nesting)"
    )


def came_too_many(most: int) -> RemoteProtocolError:
    """Build the error about a message of the peer that holds more values than it may."""
    return RemoteProtocolError(
        f"the peer sent a message of over {most:,} values (Limits.message_objects)"
    )


def too_many(most: int) -> MessageTooLargeError:
    """Build the error of a message that holds more values than it may."""
    return MessageTooLargeError(
        f"a message is limited to {most:,} values, with the items of all lists and dicts in it:"
        " send it in parts, or numbers as an array.array"
    )


def too_deep(nesting: int) -> DataCloneError:
    """Build the error of a value that nests too deeply."""
    return DataCloneError(
        f"the value nests deeper than {nesting} containers, which is the limit;"
        " send it in parts, or as a list of records that name each other"
    )


def _module_of(kind: type) -> str:
    module = type.__getattribute__(kind, "__module__")
    return module if type(module) is str else ""


def _advice(value: Any, kind: type) -> str:
    library, name = _module_of(kind).partition(".")[0], class_name(kind)
    if library == "pandas" and name in _OF_PANDAS:
        return _OF_PANDAS[name]
    if name in _BY_NAME:
        return _BY_NAME[name]
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return "send value._asdict(), or tuple(value)"
    if library == "numpy":
        scalar = not hasattr(kind, "__array_finalize__")
        return "send value.item()" if scalar else "send numpy.asarray(value)"
    if record_advice(value):
        return f"a subclass would lose its class: {record_advice(value)}"
    for base, conversion in _CONVERSIONS.items():
        if isinstance(value, base):
            return f"a subclass of {base.__name__} would lose its class: send {conversion}"
    if isinstance(value, type):
        return "send a function that makes an instance"
    if isinstance(value, enum.Enum):
        return "send value.value, or value.name"
    if isinstance(value, os.PathLike):
        return "send str(value)"
    if isinstance(value, re.Match):
        return "send value.groups(), or value.groupdict()"
    if hasattr(kind, "model_dump"):  # a pydantic model
        return "send value.model_dump(), or derive the class from rpclab.RpcTarget"
    if hasattr(kind, "__attrs_attrs__"):
        return "send attrs.asdict(value), or derive the class from rpclab.RpcTarget"
    if hasattr(kind, "__dataclass_fields__"):
        return "send dataclasses.asdict(value), or derive the class from rpclab.RpcTarget"
    if hasattr(kind, "__await__"):
        return "await it first"
    if isinstance(value, io.IOBase):
        return "wrap it in ReadableStream, or send what it reads"
    if hasattr(kind, "__next__"):
        return "send list(value)"
    return "derive the class from rpclab.RpcTarget to send a stub of it, or send its data as a dict"
