"""What `kernel.js` runs first: the kernel of JupyterLite, whose output goes to the page as JSON."""

import json
import re

from pyodide_kernel import kernel_instance as kernel
from pyodide_kernel import stderr_stream, stdout_stream

from rpclab import views

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
shell = kernel.interpreter


def tell(kind, **content):
    """Send the page something that belongs to the cell whose output this is."""
    cell = kernel._parent_header["header"]["msg_id"]
    say(json.dumps({"id": cell, "kind": kind, **content}, default=str))  # noqa: F821 - from the page


def tell_data(data, *_):
    """Send the page a display, or the value of a cell."""
    tell("data", data={kind: shown for kind, shown in data.items() if isinstance(shown, str)})


stdout_stream.publish_stream_callback = lambda name, text: tell("text", name=name, text=text)
stderr_stream.publish_stream_callback = stdout_stream.publish_stream_callback
shell.display_pub.display_data_callback = tell_data
shell.display_pub.update_display_data_callback = tell_data
shell.displayhook.publish_execution_result = lambda _count, data, _more: tell_data(data)
shell.send_comm = lambda *_: None  # pages of the documentation have no widgets

kernel._parent_header = {"header": {"msg_id": ""}, "metadata": {}}
shell.run_line_magic("load_ext", "rpclab")


async def run_cell(cell, code):
    """Run a cell, and send what it shows: at the end the picture of its calls, and the tables."""
    kernel._parent_header = {"header": {"msg_id": cell}, "metadata": {}}
    sandbox = shell.user_ns["sandbox"]
    with sandbox.trace() as trace:
        reply = await kernel.run(code)
    if reply["status"] == "error":
        told = "\n".join(reply["traceback"])
        tell("error", text=COLOURS.sub("", told))
    if trace.calls:
        picture = "" if "%%trace" in code else views.traced(trace).svg(width=560)
        tell("calls", picture=picture, tables=tables(sandbox), trips=trace.round_trips)


def tables(sandbox):
    """What each end of the notebook's sessions holds, as rows of text."""
    rows = []
    for name in ("notebook", *sandbox.workers):
        held = sandbox.tables(name)
        rows.append([name, len(held.imports), len(held.exports)])
    return rows
