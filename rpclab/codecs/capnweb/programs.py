"""`remap`: a mapped function of the peer, as a program of the core (section 9).

Floor: codecs. On the wire an instruction is any expression, with calls anywhere in it; in the core
a program is steps, one call each, and a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.codecs.refusals import came_too_deep, malformed
from rpclab.core.messages import MOST, Checked, Path
from rpclab.core.references import PLACEHOLDER

if TYPE_CHECKING:
    from rpclab.codecs.capnweb.reading import Reader

_REFERS = ("import", "pipeline")
_NEVER = frozenset({"export", "promise", "writable", "readable", "blob"})


class Compiler:
    """Makes a program of one `remap`, or of one inside it.

    Args:
        reader: reads what is the same inside and outside.
        outer: the compiler of the function around it; None for the outermost.
    """

    def __init__(self, reader: Reader, outer: Compiler | None = None) -> None:
        self._reader = reader
        self._outer = outer
        self._variables: dict[int, int] = {0: 0}
        self._steps: list[Any] = []

    def whole(self, expression: list[Any]) -> tuple[int, Path, list[Any], Checked]:
        """Compile the outermost one.

        Returns:
            What is mapped, the path there, the captures, and the program.

        Raises:
            RemoteProtocolError: it is no remap.
            ValueError: it is one, of no function.
        """
        number, path, captures, instructions = _parts(self._reader, expression)
        for capture in captures:
            if capture[0] not in ("import", "export") or len(capture) != 2:
                raise malformed("capture", capture)
        if not instructions:
            raise ValueError("a mapped function has an instruction")
        self._check(instructions)
        values = [self._reader.value(capture, 1) for capture in captures]
        self._variables |= {-k: -k for k in range(1, len(captures) + 1)}
        return number, _listed(path), values, self._program(instructions)

    def _check(self, instructions: Any) -> None:
        """See that nothing is introduced inside.

        Raises:
            ValueError: something is.
        """
        unseen = [instructions]
        for tree in unseen:  # it grows under way
            if type(tree) is list:
                if tree and type(tree[0]) is str and tree[0] in _NEVER:
                    raise ValueError(f"a mapped function cannot hold {tree[0]!r}")
                unseen += [part for part in tree if type(part) in (list, dict)]
            elif type(tree) is dict:
                unseen += [part for part in tree.values() if type(part) in (list, dict)]

    def _program(self, instructions: list[Any]) -> Checked:
        result: Any = None
        last = len(instructions)
        for number, instruction in enumerate(instructions, 1):
            result = self._value(instruction, 1)
            variable = self._variable_in(result)
            if variable is None and number < last:
                # A value that others mention: a step, too.
                variable = self._step([None, [], [[result], {}]])
            if variable is not None:
                self._variables[number] = variable
        return Checked([*self._steps, result])

    @staticmethod
    def _variable_in(value: Any) -> int | None:
        return value.number if type(value).__name__ == "Variable" else None

    def _step(self, step: list[Any]) -> int:
        self._steps.append(step)
        return len(self._steps)

    def _place(self, number: int) -> Any:
        return self._reader._arrive().take(PLACEHOLDER, number)

    def _known(self, number: Any) -> int:
        if type(number) is not int or number not in self._variables:
            raise malformed("variable of a program", number)
        return self._variables[number]

    def _value(self, tree: Any, depth: int) -> Any:
        """Compile an expression: to a value with places for variables."""
        reader = self._reader
        if type(tree) is list and tree:
            head = tree[0]
            if type(head) is list and len(tree) == 1:
                return self._listed(head, depth + 1)
            if head in _REFERS:
                return self._reference(tree, depth)
            if head == "remap":
                return self._remap(tree)
            if head == "error":
                return reader.value(tree, depth)
        elif type(tree) is dict:
            return dict(zip(tree, self._listed([*tree.values()], depth + 1), strict=True))
        return reader.value(tree, depth)

    def _listed(self, items: list[Any], depth: int) -> list[Any]:
        if depth > self._reader._nesting:
            raise came_too_deep(self._reader._nesting)
        return [self._value(item, depth) for item in items]

    def _reference(self, tree: list[Any], depth: int) -> Any:
        number, path, args = self._reader._call(tree)
        subject = self._known(number)
        if len(tree) == 2:
            return self._place(subject)
        call = None if args is None else [self._listed(args, depth + 1), {}]
        return self._place(self._step([subject, _listed(path), call]))

    def _remap(self, tree: list[Any]) -> Any:
        """Compile a map inside the function."""
        number, path, captures, instructions = _parts(self._reader, tree)
        inner = Compiler(self._reader, self)
        outer = []
        for position, capture in enumerate(captures, 1):
            if capture[0] != "import" or len(capture) != 2:
                raise malformed("capture", capture)
            outer.append(self._known(capture[1]))
            inner._variables[-position] = -position
        if not instructions:
            raise ValueError("a mapped function has an instruction")
        program = inner._program(instructions)
        return self._place(self._step([self._known(number), _listed(path), outer, program]))


def _listed(path: Path) -> list[str]:
    return [path] if isinstance(path, str) else path


def _parts(reader: Reader, tree: list[Any]) -> tuple[int, Path, list[Any], list[Any]]:
    """Take a remap apart.

    Raises:
        RemoteProtocolError: it is none.
    """
    if len(tree) < 5 or type(tree[1]) is not int or not -MOST < tree[1] < MOST:
        raise malformed("map", tree)
    captures, instructions = tree[3:5]
    if type(captures) is not list or type(instructions) is not list:
        raise malformed("map", tree)
    if not all(type(capture) is list and capture for capture in captures):
        raise malformed("map", tree)
    return tree[1], reader.path(tree[2]), captures, instructions
