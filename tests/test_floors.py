"""An import points to a lower floor, and inside a floor leads into no circle."""

import ast
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "rpclab"
MOST_IN_A_CIRCLE = {
    "core": 4,
    "rpc": 4,
    "workers": 2,
    "simulation": 1,
    "diagnostics": 1,
    "config": 1,
    "views": 1,
    "typegen": 1,
    "export": 1,
    "cli": 1,
    "net": 2,
    "server": 2,
}
"""Files of a floor whose types may need one another; more cannot be read one by one."""


class Floor(NamedTuple):
    modules: set[str]
    below: set[str]
    outside: frozenset[str] | set[str] = frozenset()


LOWEST = {"errors", "previews", "printable"}
SESSIONS = LOWEST | {"core"}
SHELL = SESSIONS | {"codecs", "transports", "trace"}
ENGINE = {"rpc", "simulation", "diagnostics"}
SCRIPTS = SHELL | ENGINE | {"workers"}
TOP = {"sandbox", "configured", "declared", "distances", "placement", "views", "server"}

# Lowest first. The modules of one floor may import one another.
FLOORS = [
    Floor(LOWEST, set()),
    Floor({"core"}, LOWEST),
    Floor({"codecs"}, SESSIONS, {"msgpack", "numpy", "orjson", "pybase64"}),
    Floor({"transports"}, SESSIONS, {"msgpack"}),
    Floor({"trace"}, SESSIONS, {"opentelemetry"}),
    # `rpclab.run` applies it, and only there, where a loop is running already.
    # In a browser, it makes the tasks of the loop of Pyodide.
    Floor(ENGINE, SHELL, {"nest_asyncio2", "pyodide"}),
    # httpx makes the requests of `fetch` over the network, and is loaded by the first of those.
    # psycopg keeps the Durable Objects of several nodes, for those who want PostgreSQL.
    # pydantic and what it stands on check arguments, where that is asked for.
    Floor(
        {"workers"},
        SHELL | ENGINE,
        {
            "ada_url",
            "httpx",
            "multidict",
            "js",
            "psycopg",
            "pydantic",
            "pydantic_core",
            "pyodide",
            "python_multipart",
            "typing_extensions",
        },
    ),
    # trustme makes certificates, websockets frames and httpx requests, for those who want some;
    # uvloop is a faster event loop.
    Floor({"net"}, SCRIPTS, {"httpx", "trustme", "uvloop", "websockets"}),
    Floor({"config"}, LOWEST),
    # The text of a library in JavaScript.
    Floor({"javascript"}, set()),
    # uvicorn, its parser and websockets are loaded by those who serve; dask by those whose Workers
    # run on a cluster.
    Floor(
        TOP,
        SCRIPTS | {"config", "net"},
        {"dask", "distributed", "msgpack", "uvicorn", "websockets"},
    ),
    # What type checkers see of stubs and promises.
    Floor({"typed"}, SCRIPTS),
    Floor({"typegen"}, SCRIPTS | TOP | {"config"}),
    # Workers of a sandbox as a project in files.
    Floor({"export"}, SCRIPTS | TOP | {"config", "typegen"}),
    # Programs run again, with something changed or cut.
    Floor({"whatif"}, SCRIPTS | TOP),
    Floor(
        {"cli", "__main__"},
        # Of the notebook's floor it has a notebook read, without IPython running.
        SCRIPTS | TOP | {"config", "export", "net", "notebook", "rpclab", "typegen"},
        {"click", "jupyter_client", "nbclient", "nbformat", "rich"},
    ),
    Floor({"testing"}, SCRIPTS | TOP, {"pytest"}),
    Floor(
        {"notebook"},
        SCRIPTS | TOP | {"config", "export", "rpclab", "typegen", "whatif"},
        {"IPython", "anywidget", "js", "pyodide", "pyodide_kernel", "traitlets"},
    ),
    # The package itself: it gives out names, and hands `%load_ext` on to the notebook's floor.
    Floor({"rpclab"}, SCRIPTS | TOP | {"net", "notebook", "whatif"}),
]

# The core waits for nothing and knows no clock, so that any shell can drive it.
STANDARD_IN_CORE = {
    "__future__",
    "abc",
    "bisect",
    "builtins",
    "collections",
    "contextlib",
    "contextvars",
    "copy",
    "dataclasses",
    "enum",
    "functools",
    "heapq",
    "inspect",
    "itertools",
    "math",
    "operator",
    "sys",
    "types",
    "typing",
    "weakref",
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def names(path):
    """The dotted name of a module below rpclab, as a list; empty for the package itself."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def floor_of(module):
    for floor in FLOORS:
        if module in floor.modules:
            return floor
    pytest.fail(f"rpclab.{module} stands on no floor; give it one in FLOORS")


def imported(path, *, types=True):
    """The dotted names that a module imports, anywhere in it.

    Args:
        path: its file.
        types: also what only a type checker imports.
    """
    package = ["rpclab", *names(path)]
    if path.name != "__init__.py":
        package.pop()
    for node in statements(ast.parse(path.read_text("utf-8")), types=types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def statements(tree, *, types):
    """All nodes of a tree; those under `if TYPE_CHECKING` only with `types`."""
    left = [tree]
    while left:
        node = left.pop()
        yield node
        if not types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            left += node.orelse
        else:
            left += ast.iter_child_nodes(node)


def graph_of(paths, *, types):
    """By module, the modules among these that it imports."""
    modules = {".".join(["rpclab", *names(path)]): path for path in paths}
    return {
        module: {
            found
            for name in imported(path, types=types)
            # A name is that of a module, or of something in one.
            for found in [name if name in modules else name.rpartition(".")[0]]
            if found in modules
        }
        for module, path in modules.items()
    }


def circles(graph):
    """The groups of modules of which each leads to all others."""
    reached = {module: reach(graph, module) for module in graph}
    return {
        frozenset(other for other in reached[module] if module in reached[other])
        for module in graph
        if module in reached[module]
    }


def reach(graph, start):
    """The modules to which imports lead from one, in any number of steps."""
    reached, left = set(), [*graph[start]]
    while left:
        module = left.pop()
        if module not in reached:
            reached.add(module)
            left += graph[module]
    return reached


def module_below(name):
    """`core` for rpclab.core.session; `rpclab` for a name that the package itself gives out."""
    first = name.split(".")[1] if "." in name else ""
    exists = (PACKAGE / first).is_dir() or (PACKAGE / f"{first}.py").is_file()
    return first if first and exists else "rpclab"


def label(path):
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_imports_point_down(path):
    floor = floor_of((names(path) or ["rpclab"])[0])
    used = {module_below(name) for name in imported(path) if name.split(".")[0] == "rpclab"}
    assert used <= floor.below | floor.modules


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_only_the_table_allows_what_is_not_in_the_standard_library(path):
    floor = floor_of((names(path) or ["rpclab"])[0])
    used = {name.split(".")[0] for name in imported(path)} - {"rpclab"}
    assert used - sys.stdlib_module_names <= floor.outside


@pytest.mark.parametrize("floor", FLOORS, ids=lambda floor: min(floor.modules))
def test_the_table_has_only_what_is_there(floor):
    paths = [path for path in MODULES if (names(path) or ["rpclab"])[0] in floor.modules]
    assert {(names(path) or ["rpclab"])[0] for path in paths} == floor.modules
    used = {name.split(".")[0] for path in paths for name in imported(path)}
    assert floor.outside <= used


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=label)
def test_the_core_waits_for_nothing(path):
    used = {name.split(".")[0] for name in imported(path)} - {"rpclab"}
    assert used <= STANDARD_IN_CORE


def test_no_imports_lead_in_a_circle_at_run_time():
    assert circles(graph_of(MODULES, types=False)) == set()


def test_a_server_leads_to_a_sandbox_and_needs_none():
    """It names what it asks of one (`server/served.py`), so each can be read by itself."""
    servers = sorted((PACKAGE / "server").rglob("*.py"))
    assert not {name for path in servers for name in imported(path) if "sandbox" in name}


@pytest.mark.parametrize(("floor", "most"), MOST_IN_A_CIRCLE.items())
def test_types_lead_in_small_circles_only(floor, most):
    found = circles(graph_of(sorted((PACKAGE / floor).rglob("*.py")), types=True))
    assert [sorted(circle) for circle in found if len(circle) > most] == []


def test_a_circle_is_found_with_all_its_members_and_no_other():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"e"}, "f": {"a"}}
    assert circles(graph) == {frozenset("abc"), frozenset("e")}


def test_an_import_in_a_function_counts_at_run_time_and_one_for_types_does_not():
    text = """
if TYPE_CHECKING:
    import shown
else:
    import hidden
def function():
    import late
"""
    tree = ast.parse(text)
    seen = [
        {node.names[0].name for node in statements(tree, types=types) if hasattr(node, "names")}
        for types in (False, True)
    ]
    assert seen == [{"hidden", "late"}, {"shown", "hidden", "late"}]
