"""Frames that once did harm and are too large, or too regular, to be kept as bytes.

Each recipe gives batches: lists of frames that arrive together at a session whose id 0 is a target
with the methods of `worlds.Thing`, of a peer that has made no call yet.
"""

from __future__ import annotations

import struct

from fuzz import oddities, wire
from fuzz.wire import Ext, Pairs, Raw, error, extension, head, node, pack, reference

ALL = {}
AWAITED = set()
SANDBOXED = set()


def recipe(function):
    """Take note of a recipe, under its name."""
    ALL[function.__name__] = function
    return function


def in_a_sandbox(function):
    """The same of one that needs a sandbox."""
    SANDBOXED.add(function.__name__)
    return recipe(function)


def awaited(function):
    """The same of one that also meets code which awaits: it is tried in a sandbox, too."""
    AWAITED.add(function.__name__)
    return recipe(function)


def call(number, path, *args, target=0, options=None):
    """The frame of a call."""
    message = [wire.CALL, number, target, path, list(args)]
    return pack(message if options is None else [*message, options])


def plain_call(number):
    """A call that is answered at once."""
    return call(number, "greet", "Ada")


def _echo(*args):
    yield [call(1, "waits", *args)]


# The C stack, and depth.


@recipe
def nested_tuples_in_a_set():
    """150,000 tuples, one in another, as the member of a set: hashing takes the C stack."""
    count = 150_000
    nodes = [[wire.SET_NODE, [node(1)]]]
    nodes += [[wire.TUPLE_NODE, [node(number + 1)]] for number in range(1, count)]
    nodes.append([wire.TUPLE_NODE, [1]])
    return _echo(Ext(wire.GRAPH, nodes))


@recipe
def nested_tuples_as_a_key():
    """The same as a key of a dict."""
    count = 150_000
    nodes = [[wire.DICT_NODE, [[node(1), None]]]]
    nodes += [[wire.TUPLE_NODE, [node(number + 1)]] for number in range(1, count)]
    nodes.append([wire.TUPLE_NODE, [1]])
    return _echo(Ext(wire.GRAPH, nodes))


@recipe
def nested_frozensets():
    """The same of frozensets, each of which is hashed by the next."""
    count = 150_000
    nodes = [[wire.FROZENSET_NODE, [node(number + 1)]] for number in range(count)]
    nodes.append([wire.TUPLE_NODE, [1]])
    return _echo(Ext(wire.GRAPH, nodes))


@recipe
def nested_lists_in_a_graph():
    """Lists, one in another by number: deeper than `Limits.nesting`, and than the stack."""
    nodes = [[wire.LIST_NODE, [node(number + 1)]] for number in range(150_000)]
    return _echo(Ext(wire.GRAPH, [*nodes, [wire.LIST_NODE, []]]))


@awaited
def a_graph_that_comes_back():
    """Deep lists that the method gives back: packing them takes the stack."""
    nodes = [[wire.LIST_NODE, [node(number + 1)]] for number in range(50_000)]
    yield [call(1, "echo", Ext(wire.GRAPH, [*nodes, [wire.LIST_NODE, []]]))]


@recipe
def nested_tuples_around_a_promise():
    """A promised argument in 900 tuples: filling the place in goes down them one by one."""
    nodes = [[wire.TUPLE_NODE, [node(number + 1)]] for number in range(20_000)]
    nodes.append([wire.LEAF_NODE, reference(wire.RESULT, 1)])
    yield [call(1, "greet"), call(2, "echo", Ext(wire.GRAPH, nodes))]


@awaited
def deep_causes():
    """Errors, each the cause of the one before: rejecting walks them."""
    nodes = [
        [wire.ERROR_NODE, ["ValueError", [number], [], node(number + 1), []]]
        for number in range(50_000)
    ]
    yield [call(1, "echo", Ext(wire.GRAPH, [*nodes, [wire.LEAF_NODE, None]]))]


@awaited
def nested_exception_groups():
    """Exception groups, one in another."""
    nodes = [
        [wire.ERROR_NODE, ["ExceptionGroup", ["g", node(number + 1)], [], None, []]]
        for number in range(20_000)
    ]
    nodes.append([wire.ERROR_NODE, ["ValueError", [], [], None, []]])
    yield [call(1, "echo", Ext(wire.GRAPH, nodes))]


@recipe
def deep_extensions():
    """Extension values, one in another, up to what the codec lets in."""
    value = b"\xc0"
    for _ in range(390):
        value = extension(wire.TUPLE, b"\x91" + value)
    return _echo(Raw(value))


# Memory.


@recipe
def nothing_but_empty_lists():
    """Each byte a list: 4 MB become 300 MB."""
    count = 4_000_000
    return _echo(Raw(head(0x90, count) + b"\x90" * count))


@recipe
def nothing_but_empty_maps():
    """Each byte a dict."""
    count = 4_000_000
    return _echo(Raw(head(0x90, count) + b"\x80" * count))


@recipe
def nothing_but_empty_sets():
    """Four bytes a set, which takes over two hundred."""
    count = 500_000
    return _echo(Raw(head(0x90, count) + b"\xd4\x11\x90" * count))


@recipe
def many_small_errors():
    """Fifteen bytes an exception."""
    one = pack(error("E"))
    count = 100_000
    return _echo(Raw(head(0x90, count) + one * count))


@recipe
def many_variables_outside_of_a_program():
    """Places of variables in one message: each was added to a copy of the list of all before."""
    return _echo([reference(wire.PLACEHOLDER, number) for number in range(70_000)])


@recipe
def many_values_that_cannot_be_read():
    """Times in a zone that is not installed: likewise."""
    return _echo([Ext(wire.DATETIME, [2000, 1, 1, 0, 0, 0, 0, 0, "No/Where"])] * 40_000)


def _times(count):
    return Raw(head(0x90, count) + pack(Ext(wire.BESIDE, b"\0\0\0\0")) * count)


@recipe
def bytes_beside_that_are_mentioned_many_times():
    """Large bytes beside a frame that mentions them often: to write them back took much memory."""
    yield [[pack([wire.CALL, 1, 0, "same", [_times(40)]]), b"x" * 100_000]]
    yield [[pack([wire.CALL, 2, 0, "same", [_times(20_000)]]), b"x" * 100_000]]


@recipe
def a_result_that_is_too_large_and_holds_a_list_many_times():
    """To name its largest member, it was written out: 2 ** 40 lists."""
    nodes = [[wire.LIST_NODE, [node(n + 1), node(n + 1)]] for n in range(40)]
    graph = Ext(wire.GRAPH, [*nodes, [wire.LIST_NODE, [1]]])
    yield [call(1, "odd", "too_large")]
    yield [[pack([wire.CALL, 2, 0, "same", [[graph, _times(39), "x" * 300_000]]]), b"x" * 100_000]]


@recipe
def an_array_of_nothing():
    """An empty NDARRAY whose shape says 2**40."""
    return _echo(Ext(wire.NDARRAY, ["<f8", [2**40], b""]))


@recipe
def an_array_of_spread_records():
    """Records of a dtype with an offset of a gigabyte."""
    return _echo(Ext(wire.NDARRAY, [[["", "|V1000000000"], ["a", "i1"]], [1], b""]))


# Reading memory, ending the process.


@recipe
def an_array_of_objects():
    """The dtype |O takes an address from the peer's bytes."""
    data = struct.pack("<Q", 0xDEAD_BEEF)
    yield [call(1, "echo", Ext(wire.NDARRAY, ["|O", [1], data]))]


@recipe
def an_array_of_records_with_objects():
    """The same, one level deeper."""
    data = struct.pack("<QQ", 1, 0xDEAD_BEEF)
    yield [call(1, "echo", Ext(wire.NDARRAY, [[["a", "<i8"], ["b", "|O"]], [1], data]))]


@recipe
def an_array_of_arrays_of_objects():
    """The same in a subarray."""
    data = struct.pack("<QQ", 0xDEAD_BEEF, 0xDEAD_BEEF)
    yield [call(1, "echo", Ext(wire.NDARRAY, [[["a", "|O", [2]]], [1], data]))]


def _rejection(value):
    """Have the session call a stub of the peer, and settle that call so."""
    yield [call(1, "call", reference(wire.STUB, -2), "greet")]
    yield [pack([wire.REJECT, 1, value, True])]


def _steering(name):
    def make():
        return _rejection(error(name, ["as the peer wants"]))

    make.__name__ = f"rejected_with_{name}"
    make.__doc__ = f"Whoever awaits the call gets a {name}."
    awaited(make)


for _name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError",
              "StopIteration", "StopAsyncIteration"):  # fmt: skip
    _steering(_name)


@awaited
def rejected_with_a_group_of_exits():
    """A SystemExit in a BaseExceptionGroup."""
    nodes = [
        [wire.ERROR_NODE, ["BaseExceptionGroup", ["g", node(1)], [], None, []]],
        [wire.ERROR_NODE, ["SystemExit", [3], [], None, []]],
    ]
    return _rejection(Ext(wire.GRAPH, nodes))


@awaited
def rejected_with_a_cause_that_exits():
    """A SystemExit as the cause of an honest error."""
    nodes = [
        [wire.ERROR_NODE, ["ValueError", ["x"], [], node(1), []]],
        [wire.ERROR_NODE, ["SystemExit", [3], [], None, []]],
    ]
    return _rejection(Ext(wire.GRAPH, nodes))


@awaited
def rejected_with_a_BaseException():
    """No `except Exception` catches it."""
    return _rejection(error("BaseException", ["x"]))


@awaited
def announced_and_rejected_with_SystemExit():
    """A promised argument that is rejected so, while a method waits for it."""
    yield [call(1, "waits", reference(wire.PROMISE, -2))]
    yield [pack([wire.REJECT, -2, error("SystemExit", [1]), True])]


@awaited
def an_abort_with_SystemExit():
    """The reason of an abort."""
    yield [pack([wire.ABORT, error("SystemExit", [1])])]


@awaited
def a_pipe_end_with_SystemExit():
    """The reason why nobody reads any more."""
    yield [call(1, "source")]
    yield [pack([wire.PIPE, 1, error("SystemExit", [1])])]


def _attribute(name, value):
    return _rejection(Ext(wire.EXCEPTION, ["ValueError", ["x"], Pairs([(name, value)]), []]))


@awaited
def notes_that_are_no_list():
    """An attribute called __notes__."""
    return _attribute("__notes__", 7)


@awaited
def notes_that_are_no_texts():
    """A note that is a number: add_note refuses it."""
    return _rejection(error("ValueError", ["x"], {}, [7]))


@awaited
def args_by_attribute():
    """An attribute called args."""
    return _attribute("args", 7)


@awaited
def a_class_by_attribute():
    """An attribute called __class__, and what copying asks for."""
    yield from _attribute("__class__", 7)


@awaited
def a_reduce_by_attribute():
    """An attribute called __reduce__: copying the error for an await calls it."""
    yield from _attribute("__reduce__", reference(wire.STUB, -9))


@awaited
def a_setstate_by_attribute():
    """An attribute called __setstate__."""
    yield from _attribute("__setstate__", reference(wire.STUB, -9))


@awaited
def an_error_with_odd_keys():
    """Attributes whose names are numbers."""
    yield from _rejection(Ext(wire.EXCEPTION, ["ValueError", ["x"], Pairs([(7, 7)]), []]))


@awaited
def an_os_error_with_odd_arguments():
    """OSError makes itself anew from its arguments."""
    yield from _rejection(error("OSError", [1, "x", 3, 4, 5]))


@awaited
def a_unicode_error_that_lies():
    """Its text looks into its object at places that are not there."""
    yield from _rejection(error("UnicodeDecodeError", ["utf8", b"x", 10**9, 2 * 10**9, "why"]))


@awaited
def a_syntax_error_that_lies():
    """Its text looks into its file."""
    yield from _rejection(error("SyntaxError", ["x", ["/etc/passwd", 1, 2, "text", 3, 4]]))


# Work.


@recipe
def a_repr_without_end():
    """A message that is none, whose list holds one list twice, twenty-two levels deep."""
    value = [wire.LIST_NODE, []]
    nodes = [[wire.LIST_NODE, [node(n + 1), node(n + 1)]] for n in range(22)]
    yield [pack([77, Ext(wire.GRAPH, [*nodes, value])])]


@recipe
def an_error_name_of_many_lists():
    """An error of no known class: its arguments become its text."""
    nodes = [[wire.ERROR_NODE, ["NoSuch", [node(1)], [], None, []]]]
    nodes += [[wire.TUPLE_NODE, [node(n + 1), node(n + 1)]] for n in range(1, 25)]
    yield [call(1, "echo", Ext(wire.GRAPH, [*nodes, [wire.TUPLE_NODE, []]]))]


@recipe
def an_abort_of_many_lists():
    """The reason of an abort, shown in ours."""
    nodes = [[wire.ERROR_NODE, ["ValueError", [node(1)], [], None, []]]]
    nodes += [[wire.LIST_NODE, [node(n + 1), node(n + 1)]] for n in range(1, 22)]
    yield [pack([wire.ABORT, Ext(wire.GRAPH, [*nodes, [wire.LIST_NODE, []]])])]


@recipe
def a_huge_number_in_a_broken_message():
    """Python writes no integer of over 4,300 digits."""
    yield [pack([77, Ext(wire.INTEGER, b"\x7f" * 4000)])]


@recipe
def a_huge_number_as_the_name_of_an_error():
    """The same in an error of no known class."""
    yield [call(1, "echo", error("NoSuch", [Ext(wire.INTEGER, b"\x7f" * 4000)]))]


@recipe
def a_huge_number_as_a_call_id():
    """The same where an id stands, and is shown."""
    yield [pack([wire.CALL, 1, Ext(wire.INTEGER, b"\x7f" * 4000), "greet", []])]


@recipe
def a_huge_call_id():
    """A call id of 9,600 digits that is larger than every later one."""
    yield [pack([wire.CALL, Ext(wire.INTEGER, b"\x7f" * 4000), 0, "later", []]), plain_call(2)]


@recipe
def a_name_of_a_megabyte():
    """A path that no target has: it is shown, and near names are looked for."""
    yield [call(1, "x" * 1_000_000), call(2, ["x" * 1_000_000, "y"])]


@recipe
def colliding_keys():
    """Integer keys with one hash: each looks at all the others."""
    keys = b"".join(pack(Ext(wire.INTEGER, _colliding(n))) + b"\xc0" for n in range(24_000))
    return _echo(Raw(head(0x80, 24_000) + keys))


def _colliding(number):
    value = (2**61 - 1) * (number + 2**10)
    return value.to_bytes((value.bit_length() + 8) // 8, "big", signed=True)


@recipe
def colliding_members():
    """The same in a set."""
    keys = b"".join(pack(Ext(wire.INTEGER, _colliding(n))) for n in range(24_000))
    return _echo(Ext(wire.SET, head(0x90, 24_000) + keys))


@recipe
def colliding_floats():
    """Whole floats have the hashes of integers."""
    keys = b"".join(b"\xcb" + struct.pack(">d", 2.0**61 * (n + 1)) for n in range(24_000))
    return _echo(Ext(wire.SET, head(0x90, 24_000) + keys))


@recipe
def colliding_keywords():
    """In a graph's dict."""
    pairs = [[Ext(wire.INTEGER, _colliding(n)), None] for n in range(24_000)]
    return _echo(Ext(wire.GRAPH, [[wire.DICT_NODE, pairs]]))


@recipe
def a_slow_pattern():
    """A regular expression of 9 KB: compiling takes seconds."""
    return _echo(Ext(wire.PATTERN, ["(?:" * 90 + "a" + "{1,9})" * 90, 32]))


@recipe
def many_patterns():
    """As many as fit, each compiled."""
    patterns = [Ext(wire.PATTERN, [f"(a|b|c|d)+{n}[a-z]{{2,5}}", 34]) for n in range(4000)]
    return _echo(patterns)


@recipe
def a_pattern_that_prints():
    """The flag 128 prints how it was compiled."""
    return _echo(Ext(wire.PATTERN, ["a", 128]))


@recipe
def a_decimal_of_many_digits():
    """Reading one is quadratic, hashing it as well."""
    return _echo(Ext(wire.SET, [Ext(wire.DECIMAL, pack("1e999999999999999999"))]))


@recipe
def a_zone_from_a_file():
    """A zone's key is a path below that of the zones."""
    return _echo(Ext(wire.TIME, [1, 2, 3, 4, 0, "../../../../../etc/passwd"]))


@recipe
def one_list_in_many_errors():
    """n errors that share a list of n: each is looked through on its way back."""
    nodes = [[wire.LIST_NODE, [node(n + 2) for n in range(3000)]]]
    nodes.append([wire.LIST_NODE, list(range(3000))])
    nodes += [[wire.ERROR_NODE, ["ValueError", [node(1)], [], None, []]] for _ in range(3000)]
    yield [call(1, "echo", Ext(wire.GRAPH, nodes))]


@recipe
def a_near_name_among_many():
    """A step that is not there, in a dict of 20,000 keys, asked for a hundred times."""
    keys = Raw(head(0x80, 20_000) + b"".join(pack(f"name{n}") + b"\xc0" for n in range(20_000)))
    yield [
        call(1, "same", keys),
        *(call(n, ["nome", "x"], target=1) for n in range(2, 102)),
    ]


# MAP.


def _map(number, captures, program, path=("items",), target=0):
    # What is packed already stands for a value that is packed by itself.
    *steps, result = (Ext(wire.INLINE, each) if type(each) is bytes else each for each in program)
    steps = [
        [*step[:2], Ext(wire.INLINE, step[2]) if type(step[2]) is bytes else step[2]]
        for step in steps
    ]
    program = [*steps, result]
    return pack([wire.MAP, number, target, list(path), captures, program])


def _list_of(count):
    return Raw(head(0x90, count) + b"\x01" * count)


@recipe
def a_map_of_many_steps():
    """6 KB: a thousand items, hundreds of steps each."""
    program = [[0, [], None] for _ in range(900)] + [pack(None)]
    yield [call(1, "same", _list_of(1000)), _map(2, [], program, path=(), target=1)]


@recipe
def a_map_that_doubles():
    """Each step is a list of the step before, twice."""
    program = []
    for number in range(24):
        variable = reference(wire.PLACEHOLDER, number)
        program.append([0, ["same"], pack([[[variable, variable]], {}])])
    program.append(pack(reference(wire.PLACEHOLDER, 24)))
    yield [_map(1, [], program)]


@recipe
def a_map_with_a_large_result():
    """A thousand items, each of which gives a kilobyte."""
    program = [pack("x" * 1000)]
    yield [call(1, "same", _list_of(4000)), _map(2, [], program, path=(), target=1)]


@recipe
def a_map_that_gives_a_long_text_for_each_item():
    """Thousands of items, each of which gives thirty kilobytes: they were written, and refused."""
    long = [pack("x" * 30_000)], [pack(["x" * 30_000])], [pack([1] * 3000)]
    for program in long:
        yield [call(1, "same", _list_of(20_000)), _map(2, [], program, path=(), target=1)]


@recipe
def bytes_that_a_graph_names_many_times():
    """Thirty kilobytes, named ten thousand times: a method gives them back."""
    nodes = [[wire.LIST_NODE, [node(1)] * 10_000], [wire.LEAF_NODE, b"x" * 30_000]]
    yield [call(1, "same", Ext(wire.GRAPH, nodes))]


@awaited
def a_map_whose_parts_are_nested():
    """A part is decoded when the program runs, not when it arrives."""
    value = b"\xc0"
    for _ in range(600):
        value = extension(wire.TUPLE, b"\x91" + value)
    yield [_map(1, [], [[0, ["greet"], b"\x92\x91" + value + b"\x80"], pack(None)])]


@awaited
def a_map_whose_part_is_broken():
    """The part of an instruction is no value."""
    yield [_map(1, [], [[0, ["greet"], b"\xc1"], pack(None)])]


@recipe
def a_map_whose_result_is_broken():
    """The result is no value."""
    yield [_map(1, [], [b"\xc1"])]


@recipe
def a_map_whose_part_is_a_number():
    """A part that is no pair of arguments and keyword arguments."""
    yield [_map(1, [], [[0, ["greet"], pack(7)], pack(None)])]


@recipe
def a_map_whose_arguments_are_a_number():
    """Arguments that are no list."""
    yield [_map(1, [], [[0, ["greet"], pack([7, {}])], pack(None)])]


@recipe
def a_map_whose_keywords_are_numbers():
    """Keyword arguments that have no names."""
    yield [_map(1, [], [[0, ["greet"], pack([[], {1: 2}])], pack(None)])]


@awaited
def a_map_that_introduces():
    """A part introduces a stub, once for each item."""
    part = pack([[reference(wire.STUB, -2)], {}])
    yield [_map(1, [], [[0, ["greet"], part], pack(None)])]


@awaited
def a_map_of_what_comes_later():
    """The source settles after the session is closed."""
    yield [_map(1, [], [[0, ["greet"], b"\xc1"], pack(None)], path=("later",))]


@recipe
def a_map_whose_variable_is_true():
    """True is the number of a variable."""
    yield [_map(1, [], [[True, ["greet"], None], pack(None)])]


# Chains, and storms.


@awaited
def a_chain_of_promised_arguments():
    """Each call has the result of the one before, twice."""
    frames = [call(1, "later")]
    for number in range(2, 40):
        before = reference(wire.RESULT, number - 1)
        frames.append(call(number, "same", [before, before]))
    yield frames


@recipe
def a_doubling_chain_of_results():
    """The same, of results that are there: each is copied into the next."""
    frames = [call(1, "same", [1])]
    for number in range(2, 26):
        before = reference(wire.RESULT, number - 1)
        frames.append(call(number, "same", [before, before]))
    yield frames


@awaited
def a_long_pipeline():
    """20,000 calls, each on the result of the one before, which waits."""
    frames = [call(1, "later")]
    frames += [call(number, "same", target=number - 1) for number in range(2, 20_000)]
    yield frames


@recipe
def a_long_pipeline_that_is_cancelled():
    """The same, and then the first is given up."""
    frames = [call(1, "later")]
    frames += [call(number, "same", target=number - 1) for number in range(2, 19_000)]
    for first in range(0, len(frames), 5000):
        yield frames[first : first + 5000]
    yield [pack([wire.CANCEL, 1])]


@recipe
def a_long_chain_of_arguments():
    """8,000 calls, each with the result of the one before as its argument."""
    frames = [call(1, "later")]
    frames += [call(n, "waits", reference(wire.RESULT, n - 1)) for n in range(2, 8_000)]
    yield [*frames, pack([wire.CANCEL, 1])]


@recipe
def a_storm_of_cancels():
    """Calls behind a blocked one, cancelled from the last to the first."""
    frames = [call(1, "waits", reference(wire.PROMISE, -2))]
    frames += [
        call(number, "waits", reference(wire.PROMISE, -1 - number)) for number in range(2, 15_000)
    ]
    frames += [pack([wire.CANCEL, number]) for number in range(14_999, 0, -1)]
    yield frames


@awaited
def a_storm_of_settlements():
    """Calls that all wait for one promise."""
    frames = [call(1, "waits", reference(wire.PROMISE, -2))]
    frames += [call(number, "waits", reference(wire.RESULT, 1)) for number in range(2, 10_000)]
    yield [*frames, pack([wire.RESOLVE, -2, 1])]


@recipe
def promises_without_end():
    """Announced promises, of which there was no limit."""
    promises = [reference(wire.PROMISE, -2 - number) for number in range(100_000)]
    yield [call(1, "waits", promises)]


@recipe
def imports_without_end():
    """Stubs of the peer, likewise."""
    for batch in range(3):
        stubs = [reference(wire.STUB, -2 - number - batch * 50_000) for number in range(50_000)]
        yield [call(1 + batch, "waits", stubs)]


@recipe
def a_long_path():
    """A path of 100,000 names."""
    yield [call(1, ["a"] * 100_000), call(2, [""] * 100_000)]


@awaited
def acknowledged_by_and_by():
    """Ten thousand results, acknowledged one by one."""
    yield [plain_call(number) for number in range(1, 10_001)]


# Names.


@awaited
def an_empty_name():
    """A method without a name."""
    yield [call(1, ""), call(2, [""]), call(3, ["", ""]), call(4, ["greet", ""])]


@awaited
def an_empty_name_that_is_read():
    """A property without a name."""
    yield [pack([wire.CALL, 1, 0, "", None]), pack([wire.CALL, 2, 0, [""], None])]


@awaited
def an_empty_name_in_a_dict():
    """An empty key of a result."""
    yield [call(1, "same", {"": {"": 1}}), pack([wire.CALL, 2, 1, ["", ""], None])]


@awaited
def lone_surrogates():
    """Names that no UTF-8 can show."""
    yield [call(1, "\ud800"), call(2, "same", "\udfff"), call(3, ["\ud800", "\ud800"])]


# After the end, and out of place.


@awaited
def messages_after_an_abort():
    """Nothing of it counts."""
    yield [pack([wire.ABORT, error("ValueError")]), plain_call(1), plain_call(1)]
    yield [plain_call(5)]


@awaited
def a_pipe_that_is_called():
    """A pipe takes no call, and a call is no pipe."""
    yield [pack([wire.PIPE, 1]), call(2, "write", target=1), call(3, [], target=1)]
    yield [pack([wire.STREAM, 4, 0, "write", [1]]), pack([wire.CANCEL, 1])]


@recipe
def a_pipe_that_is_mapped():
    """A program on a pipe."""
    yield [pack([wire.PIPE, 1]), _map(2, [], [pack(None)], path=(), target=1)]


@awaited
def a_stream_that_ends_twice():
    """Closed, aborted, written, closed."""
    yield [
        pack([wire.PIPE, 1]),
        call(2, "read_from", reference(wire.READABLE, 1)),
        *(
            pack([wire.STREAM, 3 + n, 1, operation, []])
            for n, operation in enumerate(("close", "close", "abort", "write", "close"))
        ),
    ]


@recipe
def a_release_of_everything():
    """Of what is there, too often."""
    yield [pack([wire.RELEASE, 0, 1]), plain_call(1)]


@recipe
def a_release_of_minus_one_call():
    """Counts that are none."""
    yield [call(1, "target")]
    yield [pack([wire.RELEASE, -2, -5, -2, 0, -2, 2**70])]


@awaited
def a_main_object_that_comes_home():
    """The root of the session, sent back as the peer's."""
    yield [
        call(1, "hold", reference(wire.OWN_STUB, 0)),
        call(2, "same", reference(wire.OWN_STUB, 0)),
    ]


@awaited
def an_error_that_was_raised_here():
    """A rejection of an export, and of nothing."""
    yield [call(1, "hold", reference(wire.STUB, -2))]
    yield [pack([wire.REJECT, -2, error("SystemExit"), True])]


# Found by hand, after those above.


@recipe
def a_method_that_gets_its_own_arguments():
    """Arguments that hold their own list: the target itself was put into it, for its method."""
    joint = [
        [wire.LIST_NODE, [node(1), node(2)]],
        [wire.LIST_NODE, [node(2), 1]],
        [wire.DICT_NODE, [["name", node(1)]]],
    ]
    yield [call(1, "target")]
    yield [pack([wire.CALL, 2, -2, "echo", Ext(wire.JOINT, joint), {}])]
    yield [pack([wire.RELEASE, 1, 1, 2, 1])]


@recipe
def many_promises_in_one_argument():
    """One call that waits for 30,000 promises: each that settles looked at all of them."""
    count = 30_000
    yield [call(1, "waits", [reference(wire.PROMISE, -2 - number) for number in range(count)])]
    yield [pack([wire.RESOLVE, -2 - number, 1]) for number in range(count)]


@recipe
def a_long_name_near_a_long_key():
    """A step that is not there, of 50,000 characters, in a dict that has another such."""
    yield [call(1, "same", {"ab" * 25_000: 1}), call(2, ["ba" * 25_000, "x"], target=1)]


@recipe
def a_pattern_of_wide_sets():
    """Nine kilobytes of sets that reach from one end of Unicode to the other, in any case."""
    return _echo(Ext(wire.PATTERN, ["[\x00-\U0010ffff]" * 900, 2]))


@recipe
def an_array_of_things_without_size():
    """2**62 items that take no bytes."""
    return _echo(Ext(wire.NDARRAY, ["|V0", [2**62], b""]))


@awaited
def a_deadline_beyond_every_clock():
    """An integer that is no float."""
    yield [call(1, "later", options={"d": 10**400})]


@awaited
def a_deadline_without_end():
    """Infinity."""
    yield [call(1, "later", options={"d": float("inf")}), call(2, "later", options={"d": 1e308})]


@awaited
def a_point_of_a_trace_that_is_none():
    """An option that only somebody who traces reads."""
    yield [call(1, "greet", options={"n": 10**400}), call(2, "waits", options={"n": -5})]


@awaited
def an_abort_with_a_huge_number():
    """The reason cannot be shown: an integer of over 4,300 digits."""
    yield [pack([wire.ABORT, error("KeyError", [Ext(wire.INTEGER, b"\x7f" * 4000)])])]


@awaited
def an_abort_with_a_deep_list():
    """The reason cannot be shown: it nests too deeply for `repr`."""
    nodes = [[wire.ERROR_NODE, ["KeyError", [node(1)], [], None, []]]]
    nodes += [[wire.LIST_NODE, [node(n + 1)]] for n in range(1, 5000)]
    yield [pack([wire.ABORT, Ext(wire.GRAPH, [*nodes, [wire.LIST_NODE, []]])])]


@awaited
def rejected_with_an_exit_that_cannot_be_shown():
    """SystemExit(10**9600): the engine shows what left a method."""
    yield from _rejection(error("SystemExit", [Ext(wire.INTEGER, b"\x7f" * 4000)]))


@awaited
def an_add_note_by_attribute():
    """An attribute that hides a method which is called on the error."""
    yield from _attribute("add_note", 7)


@awaited
def a_with_traceback_by_attribute():
    """The same of another one."""
    yield from _attribute("with_traceback", 7)


@awaited
def a_remote_by_attribute():
    """An attribute that says where the error was raised."""
    yield from _attribute("remote", "no")


@recipe
def a_kind_that_is_a_float():
    """0.0 is equal to 0, and False is too."""
    yield [pack([0.0, 1, 0, "later", []])]
    yield [pack([2.0, 1, 1])]


@recipe
def own_stubs_deep_in_a_result():
    """A result with one's own stub below 900 dicts, while a call is pipelined on it."""
    value = pack(reference(wire.OWN_STUB, 0))
    yield [pack([wire.RESOLVE, 1, Raw(b"\x81\xa1k" * 990 + value)])]


@recipe
def own_stubs_in_a_result_that_holds_itself():
    """A dict that is its own member, with one's own stub in it."""
    pairs = [["self", node(0)], ["stub", reference(wire.OWN_STUB, 0)]]
    yield [pack([wire.RESOLVE, 1, Ext(wire.GRAPH, [[wire.DICT_NODE, pairs]])])]


@recipe
def many_own_stubs_in_a_result():
    """6,000 stubs of one's own in a dict: for each the whole dict was searched."""
    yield [call(number, "target") for number in range(1, 6001)]
    pairs = Pairs((f"k{n}", reference(wire.OWN_STUB, -2 - n)) for n in range(6000))
    yield [pack([wire.RESOLVE, 1, pairs])]


def _huge_ids():
    huge = Ext(wire.INTEGER, b"\x7f" * 4000)
    stub = wire.extension(wire.OWN_STUB, b"\x80" * 4000)
    return {
        "release": [wire.RELEASE, huge, 1],
        "cancel": [wire.CANCEL, huge],
        "pull": [wire.PULL, huge],
        "resolve": [wire.RESOLVE, huge, 1],
        "reject": [wire.REJECT, huge, error("ValueError"), True],
        "pipe_end": [wire.PIPE, huge, error("ValueError")],
        "stream": [wire.STREAM, 1, huge, "write", [1]],
        "map": [wire.MAP, 1, huge, [], [], [None]],
        "reference": [wire.CALL, 1, 0, "waits", [stub]],
    }


def _each(title, texts, make):
    for name, value in texts.items():

        def frames(value=value):
            return make(value)

        frames.__name__ = f"{title}_{name}"
        frames.__doc__ = f"{title.replace('_', ' ').capitalize()}: {name.replace('_', ' ')}."
        yield frames


for _function in _each("a_huge_number_in", _huge_ids(), lambda message: iter([[pack(message)]])):
    recipe(_function)
for _function in _each(
    "a_method_with",
    {name: name for name in oddities.ALL},
    lambda name: iter([[call(1, "odd", name)]]),
):
    awaited(_function)
for _function in _each(
    "a_method_with",
    {name: name for name in oddities.IN_A_SANDBOX},
    lambda name: iter([[call(1, "odd", name)]]),
):
    in_a_sandbox(_function)


@in_a_sandbox
def forwarded_with_SystemExit():
    """A call that is forwarded to the peer: who made it awaits in another Worker."""
    yield [pack([wire.RESOLVE, 1, reference(wire.STUB, -2)])]
    yield [pack([wire.REJECT, 2, error("SystemExit", [1]), True])]


@in_a_sandbox
def forwarded_with_KeyboardInterrupt():
    """The same with another one."""
    yield [pack([wire.RESOLVE, 1, reference(wire.STUB, -2)])]
    yield [pack([wire.REJECT, 2, error("KeyboardInterrupt"), True])]


@in_a_sandbox
def forwarded_with_CancelledError():
    """The same with another one, which ends a task without a word."""
    yield [pack([wire.RESOLVE, 1, reference(wire.STUB, -2)])]
    yield [pack([wire.REJECT, 2, error("CancelledError"), True])]


_PIPELINED = [["act", 0, "call", 0], ["act", 0, "pipeline", 0], ["turn"]]
_TASK = [["act", 0, "call", 8], ["turn"]]
BEFORE = {
    "own_stubs_deep_in_a_result": _PIPELINED,
    "own_stubs_in_a_result_that_holds_itself": _PIPELINED,
    "many_own_stubs_in_a_result": _PIPELINED,
    "forwarded_with_SystemExit": _TASK,
    "forwarded_with_KeyboardInterrupt": _TASK,
    "forwarded_with_CancelledError": _TASK,
}
"""What the honest side does before the frames come."""
