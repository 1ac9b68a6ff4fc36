"""The library capnweb comes along, for pages: whole, with its licence, and in one module."""

import base64
import re
from pathlib import Path

import pytest

from rpclab import javascript
from rpclab.javascript import bundled, capnweb

ADDRESS = re.compile(r'"data:text/javascript;base64,([A-Za-z0-9+/=]+)"')


def test_the_library_begins_with_its_version_and_licence_and_asks_for_no_map():
    text = capnweb()
    licence = Path(javascript.__file__).with_name("LICENSE.capnweb.txt").read_text("utf-8")
    assert text.startswith(f"/*! capnweb {javascript.VERSION}\n")
    assert licence in text
    assert "newWebSocketRpcSession" in text.rpartition("export {")[2]
    assert "sourceMappingURL" not in text


def test_the_library_needs_no_other_module():
    assert not re.search(r"^import\b|\bimport\(", capnweb(), re.MULTILINE)


@pytest.mark.parametrize(
    "line",
    [
        'import { RpcTarget } from "capnweb";',
        "import { RpcTarget } from 'capnweb'",
        'import {\n  RpcTarget,\n} from "capnweb";',
        'import * as capnweb from"capnweb";',
        'export { RpcTarget } from "capnweb";',
        'const { RpcTarget } = await import( "capnweb" );',
        'import "capnweb";',
    ],
)
def test_a_module_that_imports_the_library_gets_it_as_an_address_with_all_of_it(line):
    text = bundled(f"{line}\nnext();\n")
    assert base64.b64decode(ADDRESS.search(text)[1]).decode() == capnweb()
    quoted = re.compile("[\"']capnweb[\"']")
    assert ADDRESS.sub("…", text) == quoted.sub("…", f"{line}\nnext();\n")


@pytest.mark.parametrize(
    "line",
    [
        'import { other } from "capnweb-validate";',
        'import { other } from "./capnweb";',
        'say("capnweb");',
        'const from = "capnweb";',
    ],
)
def test_what_is_no_import_of_the_library_stays_as_it_is(line):
    assert bundled(line) == line
