"""Talks to a kernel as a front end does, without a browser."""

from __future__ import annotations

import json
import os
import queue
import re
import time

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.session import DELIM

from support import counter

PATIENCE = 30  # seconds; a bound for messages that must come, never a wait

COUNTER = f"%%worker counter-service{counter.COUNTER}"

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Output:
    """What one request has given so far: its messages, read."""

    def __init__(self, messages):
        self._messages = messages

    def _contents(self, kind):
        return [m["content"] for m in self._messages if m["msg_type"] == kind]

    def stream(self, name):
        return "".join(c["text"] for c in self._contents("stream") if c["name"] == name)

    @property
    def stdout(self):
        return self.stream("stdout")

    @property
    def stderr(self):
        return self.stream("stderr")

    @property
    def usage_error(self):
        """What a line that is wrong is answered with: one line, and no error of Python's."""
        assert self.error is None
        assert self.stderr.startswith("UsageError: ")
        assert self.stderr.count("\n") == 1
        return self.stderr

    @property
    def value(self):
        """The text of the cell's value."""
        found = self._contents("execute_result")
        return found[-1]["data"]["text/plain"] if found else None

    @property
    def html(self):
        """The HTML of the cell's value."""
        return self._contents("execute_result")[-1]["data"].get("text/html")

    @property
    def displays(self):
        return [content["data"] for content in self._contents("display_data")]

    @property
    def error(self):
        """The whole text of the error that was shown, without colours; None if there is none."""
        found = self._contents("error")
        return COLOURS.sub("", "\n".join(found[-1]["traceback"])) if found else None

    @property
    def error_name(self):
        return self._contents("error")[-1]["ename"]

    @property
    def cell(self):
        """The name of the cell in tracebacks, such as "Cell In[3]"."""
        return f"Cell In[{self._contents('execute_input')[-1]['execution_count']}]"

    @property
    def idle(self):
        return any(c["execution_state"] == "idle" for c in self._contents("status"))

    def count(self, kind):
        return len(self._contents(kind))


class Kernel:
    """A running kernel of some Python, and what it has said."""

    def __init__(self, python, folder):
        spec = folder / "kernels" / "probe"
        spec.mkdir(parents=True)
        command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        described = {"argv": command, "display_name": "probe", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(described))
        specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
        self.manager = KernelManager(kernel_name="probe", kernel_spec_manager=specs)
        self._environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython")}
        self._log = folder / "kernel.log"
        self._messages = {}
        self._replies = {}

    def __enter__(self):
        with self._log.open("wb") as log:
            self.manager.start_kernel(env=self._environment, stderr=log)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)
        # The kernel may publish before it knows of our subscription.
        deadline = time.monotonic() + PATIENCE
        while not self._hears(self.client.kernel_info()):
            assert time.monotonic() < deadline, self._log.read_text()
        return self

    def _hears(self, request):
        """Whether what the kernel publishes about a request arrives here."""
        self.reply_to(request)
        try:
            self._take_in(timeout=0.2)
        except queue.Empty:
            return False
        return True

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def start(self, code, subshell=None):
        """Send a cell, to a subshell if one is given; gives the request's id."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        return self._send("execute_request", content, subshell)

    def _send(self, kind, content, subshell):
        message = self.client.session.msg(kind, content)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.session.send(self.client.shell_channel.socket, message)
        return message["header"]["msg_id"]

    def send_unreadable(self, kind):
        """Send a message whose header and signature are right, and whose content is no JSON."""
        session = self.client.session
        message = session.msg(kind)
        parts = [session.pack(message[part]) for part in ("header", "parent_header", "metadata")]
        parts.append(b"{")
        self.client.shell_channel.socket.send_multipart([DELIM, session.sign(parts), *parts])

    def new_subshell(self):
        """Have the kernel make a subshell; gives its id."""
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        return self.client.get_control_msg(timeout=PATIENCE)["content"]["subshell_id"]

    def output(self, request):
        return Output(self._messages.setdefault(request, []))

    def wait(self, request, condition):
        """Take messages in until the output of a request fulfils a condition."""
        output = self.output(request)
        deadline = time.monotonic() + PATIENCE
        while not condition(output):
            assert time.monotonic() < deadline, self._messages[request]
            try:
                self._take_in(timeout=0.1)
            except queue.Empty:
                assert self.manager.is_alive(), self._log.read_text()
        return output

    def _take_in(self, timeout):
        message = self.client.get_iopub_msg(timeout=timeout)
        parent = message["parent_header"].get("msg_id")
        self._messages.setdefault(parent, []).append(message)

    def finish(self, request):
        """Wait for the end of a cell.

        Also for the reply: ipykernel 7.0 to 7.3 lose a request that comes while they send one, as
        long as the extension is not loaded.
        """
        output = self.wait(request, lambda output: output.idle)
        self.reply_to(request)
        return output

    def run(self, code):
        """Run a cell to its end."""
        return self.finish(self.start(code))

    def value(self, code):
        """The text of what a cell gives; it must not fail."""
        output = self.run(code)
        assert output.error is None, output.error
        return output.value

    def complete(self, code):
        """What Tab offers at the end of some text: the names, and the text they replace."""
        request = self.client.complete(code)
        reply = self.reply_to(request)
        return reply["matches"], code[reply["cursor_start"] : reply["cursor_end"]]

    def inspect(self, name):
        reply = self.reply_to(self.client.inspect(name))
        return COLOURS.sub("", reply["data"].get("text/plain", ""))

    def reply_to(self, request):
        """What the kernel answers to a request, beside its outputs."""
        while request not in self._replies:
            message = self.client.get_shell_msg(timeout=PATIENCE)
            self._replies[message["parent_header"]["msg_id"]] = message["content"]
        return self._replies[request]

    def comm(self, comm_id, data, subshell=None):
        """Send a widget message, to a subshell if one is given; gives the request's id."""
        return self._send("comm_msg", {"comm_id": comm_id, "data": data}, subshell)

    def interrupt(self, request):
        """Interrupt a running cell; gives its output."""
        self.manager.interrupt_kernel()
        return self.finish(request)
