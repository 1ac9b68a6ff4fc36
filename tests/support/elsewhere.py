"""The conformance tests of an area, run anew with Workers that are somewhere else."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "conformance"
FIXTURE = type(pytest.fixture(lambda: None))


def those_elsewhere(area, wrapped, *, different, runs=None):
    """Give the tests that need a world and nothing that their own file prepares, by new names.

    Args:
        area: the name of their file.
        wrapped: makes of a test one that runs elsewhere.
        different: the names of those that do not hold there, with the reasons.
        runs: says of a test whether it can run there; all do, unless given.
    """
    spec = importlib.util.spec_from_file_location(f"elsewhere_{area}", FOLDER / f"test_{area}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    own = {name for name, value in vars(module).items() if isinstance(value, FIXTURE)}
    for name, test in vars(module).items():
        if not name.startswith("test_") or not inspect.iscoroutinefunction(test):
            continue
        arguments = {*inspect.signature(test).parameters}
        # What a file prepares for itself alone would stand in the way of what another does.
        if not arguments & {"world", "callee"} or arguments & own or name in different:
            continue
        if runs is None or runs(test):
            yield f"{name}_in_{area}", wrapped(test)
