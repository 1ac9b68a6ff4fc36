"""Whether values can be sent: looked at, and neither packed nor introduced.

Floor: codecs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rpclab.codecs.records import RECORDS
from rpclab.codecs.sharing import FORBIDDEN, is_ndarray
from rpclab.codecs.values import ENCODERS
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES
from rpclab.core.hooks import Hook
from rpclab.core.messages import SCALARS
from rpclab.core.targets import is_function, is_target
from rpclab.errors import DataCloneError


class Sendable:
    """Judges the values of one message, each of them once however many others hold it.

    Args:
        nesting: how many containers may stand inside one another.
        functions: whether a function may be sent.
    """

    def __init__(self, nesting: int, *, functions: bool = True) -> None:
        self._nesting = nesting
        self._functions = functions
        self._verdicts: dict[int, bool] = {}
        self._judged: list[Any] = []  # what has a verdict lives on, so that its id stays its own

    def all(self, values: Iterable[Any]) -> bool:
        """Whether all these values can be sent; exceptions always can."""
        roots = list(values)
        self._judge(roots)
        return all(type(value) in SCALARS or self._verdicts[id(value)] for value in roots)

    def _judge(self, level: list[Any]) -> None:
        verdicts = self._verdicts
        holders: dict[int, list[int]] = {}
        bad: list[int] = []
        for depth in range(self._nesting + 2):
            inside: list[Any] = []
            for value in level:
                kind = type(value)
                if kind in SCALARS or id(value) in verdicts:
                    continue
                self._judged.append(value)
                verdicts[id(value)] = True
                if kind not in CONTAINER_TYPES:
                    if not self._is_sendable_leaf(value, kind):
                        bad.append(id(value))
                    continue
                if depth > self._nesting:
                    bad.append(id(value))
                    continue
                parts = [*value.keys(), *value.values()] if kind in DICT_TYPES else [*value]
                parts = [part for part in parts if type(part) not in SCALARS]
                inside += parts
                for part in parts:
                    holders.setdefault(id(part), []).append(id(value))
                    if not verdicts.get(id(part), True):
                        bad.append(id(value))
            if not inside:
                break
            level = inside
        # What holds something that cannot be sent cannot be sent itself.
        while bad:
            number = bad.pop()
            if verdicts[number] or number in holders:
                verdicts[number] = False
                bad += holders.pop(number, ())

    def _is_sendable_leaf(self, value: Any, kind: type) -> bool:
        if kind in (bytearray, memoryview) or isinstance(value, BaseException):
            return True
        if kind in ENCODERS:
            try:
                ENCODERS[kind][1](value)
            except DataCloneError:
                return False
            return True
        if is_ndarray(kind):
            return not value.dtype.hasobject
        if kind in RECORDS:
            return not getattr(value, "body_used", False)
        if is_function(value) and not self._functions:
            return False
        # A promise may still fail, so it is not taken along in an error.
        refers = is_target(value) or isinstance(value, Hook) or hasattr(kind, "__rpc_handle__")
        return refers and kind not in FORBIDDEN
