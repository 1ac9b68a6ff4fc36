"""What may be declared of a Worker: its name, its variables, where its bindings lead.

Floor: workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.workers.entrypoints import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rpclab.workers.env import Env

NOTEBOOK = "notebook"
"""The name of the program around the Workers: a notebook, or a script."""

_UNNAMEABLE = {
    "#": 'after "#" a binding names an entrypoint',
    "→": 'sessions are named "from→to"',
}


class Resource:
    """What an `env` holds as it is: a database or a namespace, which Workers may share."""

    __slots__ = ()


class BindingTarget(NamedTuple):
    """Where a binding leads; made by `binding` or from a text such as "counter#Admin"."""

    worker: str
    entrypoint: str
    props: Mapping[str, Any]
    validate: bool | None = None

    def __str__(self) -> str:
        name = self.worker if self.entrypoint == DEFAULT else f"{self.worker}#{self.entrypoint}"
        return f"{name} {dict(self.props)}" if self.props else name


def binding(
    target: str, *, props: Mapping[str, Any] | None = None, validate: bool | None = None
) -> BindingTarget:
    """Describe a binding, with props.

    Args:
        target: "worker", or "worker#Entrypoint".
        props: what `ctx.props` is at the callee; each call gets a copy (rule X9).
        validate: whether the arguments of calls through it have to be as the callee's annotations
            say; as the sandbox says unless given (see `Sandbox.validate`).

    Raises:
        ValueError: the text is no such thing.
        TypeError: the props are no JSON value.
    """
    worker, hash_, entrypoint = target.partition("#")
    if not worker or (hash_ and not entrypoint):
        raise ValueError(f'a binding leads to "worker" or "worker#Entrypoint", not {target!r}')
    copied = json_copy(props or {}, "the props")
    return BindingTarget(worker, entrypoint or DEFAULT, copied, validate)


def binding_target(value: object) -> BindingTarget:
    """Say where a binding leads that is given in either way.

    Raises:
        TypeError: it is given in neither.
        ValueError: the text is no such thing.
    """
    if isinstance(value, BindingTarget):
        return value
    if isinstance(value, str):
        return binding(value)
    raise TypeError(f'a binding leads to "worker#Entrypoint", not to {value!r}')


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a Worker, and say why.

    Raises:
        TypeError: it is no text.
        ValueError: no Worker can be called that.
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a Worker is a text, not {type(name).__name__}")
    reasons = [reason for part, reason in _UNNAMEABLE.items() if part in name]
    if name == NOTEBOOK:
        reasons = ["the program around the Workers is called that"]
    elif not name:
        reasons = ["it is empty"]
    if reasons:
        raise ValueError(f"{name!r} cannot be the name of a Worker: {' and '.join(reasons)}")


def refuse_twice(**options: Mapping[str, Any] | None) -> None:
    """Refuse a variable that two of the options give.

    Raises:
        ValueError: there is one.
    """
    given: dict[str, str] = {}
    for option, variables in options.items():
        for variable in variables or ():
            if variable in given:
                raise ValueError(
                    f"the variable {variable} is given twice: in {given[variable]} and in {option}"
                )
            given[variable] = option


def put_variables(env: Env, vars: Mapping[str, str] | None, json: Mapping[str, Any] | None) -> None:
    """Put the variables of a Worker into its environment.

    Args:
        env: the environment.
        vars: texts.
        json: any JSON values, which are copied.

    Raises:
        TypeError: one is no such thing.
    """
    for variable, text in (vars or {}).items():
        if type(text) is not str:
            raise TypeError(
                f"the variable {variable} is a text, not {type(text).__name__}; use json="
            )
        env[variable] = text
    for variable, value in (json or {}).items():
        env[variable] = json_copy(value, f"the variable {variable}")


def json_copy(value: Any, what: str) -> Any:
    """Copy a JSON value; `what` it is, for the error.

    Raises:
        TypeError: it is none.
    """
    import json  # noqa: PLC0415 - not for those who bind without values

    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:  # ValueError: it contains itself
        raise TypeError(f"{what} must be a JSON value: {error}") from None
