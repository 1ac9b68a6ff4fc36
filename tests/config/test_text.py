"""Texts of configurations: TOML, JSON with comments, and the places of their keys."""

import pytest

from rpclab.config.document import Document
from rpclab.errors import ConfigError

TOML = """\
# first
name = "a"                       # [not] = "a table"
text = '''
services = "still text"
'''
dotted.key = 2024-01-01
"quoted key" = [1, [2,
    3], { inner = "}" }]

[[services]]
binding = "A"

[[services]]
binding = "B"
props = { room = "b", deep = { er = 1 } }

[env.staging.vars]
X = "x"

[[env.staging.services]]
binding = "C"
"""

JSONC = """\
{
  // a comment with "quotes"
  "name": "a", /* and
  another */ "vars": {"X": "// no comment"},
  "services": [
    {"binding": "A"},
    {"binding": "B", "props": {"room": ["b",],},},
  ],
}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("text",), 3),
        (("dotted", "key"), 6),
        (("quoted key",), 7),
        (("quoted key", 1, 1), 8),
        (("quoted key", 2, "inner"), 8),
        (("services", 0, "binding"), 11),
        (("services", 1, "binding"), 14),
        (("services", 1, "props", "deep", "er"), 15),
        (("env", "staging", "vars", "X"), 18),
        (("env", "staging", "services", 0, "binding"), 21),
        (("services", 1, "nothing here"), 13),
    ],
)
def test_a_key_of_toml_is_found_where_it_stands(path, line):
    document = Document(TOML, "wrangler.toml")
    assert document.line(path) == line


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 3),
        (("vars",), 4),
        (("vars", "X"), 4),
        (("services", 0, "binding"), 6),
        (("services", 1, "props", "room", 0), 7),
    ],
)
def test_a_key_of_json_is_found_where_it_stands(path, line):
    document = Document(JSONC, "wrangler.jsonc")
    assert document.line(path) == line


def test_comments_and_trailing_commas_are_no_part_of_what_json_says():
    assert Document(JSONC, "wrangler.jsonc").data == {
        "name": "a",
        "vars": {"X": "// no comment"},
        "services": [{"binding": "A"}, {"binding": "B", "props": {"room": ["b"]}}],
    }


def test_the_first_character_says_which_it_is():
    assert Document('\n\n{"a": 1}', "a cell").data == {"a": 1}
    assert Document('// a comment\n{"a": 1}', "a cell").data == {"a": 1}
    assert Document("# a comment\na = 1", "a cell").data == {"a": 1}
    assert Document('[a]\nb = "{"', "a cell").data == {"a": {"b": "{"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "a"\nmain = = "b"', "f:2:8: this is no TOML: Invalid value"),
        ("\nname = 'a", "f:2:10: this is no TOML: "),
        ('{\n  "name": oops}', "f:2:11: this is no JSON: Expecting value"),
        ("{'name': 1}", "f:1:2: this is no JSON: Expecting property name"),
        ('{"a": 1,, }', "f:1:9: this is no JSON: "),
        ('{"a": [,]}', "f:1:8: this is no JSON: "),
        ('{"a": {"b": 1,\n "b": 2}}', "f:2:2: a.b is given twice"),
        ("// nothing\n[1]", "f:1:1: a configuration is an object"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text, said):
    with pytest.raises(ConfigError) as caught:
        Document(text, "f")
    assert str(caught.value).startswith(said)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing():
    document = Document('\ufeffname = "a"\r\nmain = "b"\r\n', "f")
    assert document.data == {"name": "a", "main": "b"}
    assert document.line(("main",)) == 2
