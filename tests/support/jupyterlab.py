"""A JupyterLab of its own, and its pages in Chromium, as a reader has them in front of her."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
from playwright.sync_api import TimeoutError as StillWaiting
from playwright.sync_api import sync_playwright

log = logging.getLogger(__name__)

DEMOS = Path(__file__).parents[2] / "demos"

START = 60  # seconds for the server, and for a page to show its notebook
RUN = 60  # seconds for all cells of a notebook
STOP = 10  # seconds for an interrupt

HEARD = 400  # messages that a page remembers, to be shown when a cell hangs

VIEWPORT = {"width": 1200, "height": 900}
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
SETTINGS = {"apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}
THEME = "@jupyterlab/apputils-extension/themes.jupyterlab-settings"

# ipykernel 7.0 to 7.3 lose requests from their start on, also those of Lab as it opens a notebook;
# the extension mends that only when a cell has loaded it. 6.29 has nothing to mend.
HEAR_ALL = (
    "import rpclab.notebook.shims as _shims; "
    "_shims.reply_through_the_stream(get_ipython().kernel); del _shims"
)

CHROMIUM = [
    "--no-sandbox",  # root has none, and the pages are our own
    "--disable-gpu",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

LAB_IS_READY = "() => window.jupyterapp?.restored.then(() => true)"
# The page looks for new kernels once a minute.
OPEN = """async path => {
    const { commands, serviceManager } = window.jupyterapp;
    await serviceManager.kernelspecs.refreshSpecs();
    await commands.execute('docmanager:open', { path });
}"""
SAVE = """async () => {
    const { commands, shell } = window.jupyterapp;
    await commands.execute('docmanager:save');
    return shell.currentWidget.content.model.toJSON();
}"""
CLOSE = """async () => {
    const { currentWidget } = window.jupyterapp.shell;
    await currentWidget.sessionContext.shutdown();
    currentWidget.context.model.dirty = false;  // else it asks
    currentWidget.dispose();
}"""
# The page says "idle" before it has a kernel, and running cells then asks which one to take.
KERNEL_IS_READY = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.status === 'idle';
}"""
# What page and kernel say to each other, a line each: the last of them tell why a cell hangs.
LISTEN = f"""() => {{
    const {{ sessionContext }} = window.jupyterapp.shell.currentWidget;
    const lines = window.rpclabHeard = [];
    const note = (...words) => {{
        lines.push([(performance.now() / 1000).toFixed(3), ...words].join(' '));
        lines.splice(0, lines.length - {HEARD});
    }};
    const short = id => (id ?? '').slice(-8) || '-';
    const listen = kernel => {{
        note('kernel', short(kernel?.id), kernel?.connectionStatus, kernel?.status);
        kernel?.connectionStatusChanged.connect((_, status) => note('connection', status));
        kernel?.anyMessage.connect((_, {{ msg, direction }}) => {{
            const {{ header, parent_header, content, channel }} = msg;
            note(
                direction, channel, header.msg_type, short(header.msg_id),
                'of', short(parent_header.msg_id), short(header.subshell_id),
                content.execution_state ?? content.status ?? content.data?.method ?? '',
                JSON.stringify(content.code ?? '').slice(0, 40),
            );
        }});
    }};
    listen(sessionContext.session?.kernel);
    sessionContext.kernelChanged.connect((_, {{ newValue }}) => listen(newValue));
}}"""
CODE_CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
    .map(cell => cell.model.toJSON()).filter(cell => cell.cell_type === 'code')"""
# Lab's own command may end before the cells do, and the kernel is idle between two cells.
HAVE_RUN = """numbers => {
    const cells = window.jupyterapp.shell.currentWidget.content.widgets
        .filter(cell => cell.model.type === 'code');
    return numbers.every(number => cells.at(number).model.executionCount !== null);
}"""
# After an error that was not meant, the cells below it do not run.
HAVE_RUN_OR_FAILED = f"""numbers => ({HAVE_RUN})(numbers)
    || window.jupyterapp.shell.currentWidget.content.widgets
        .map(cell => cell.model.toJSON())
        .some(cell => cell.outputs?.some(output => output.output_type === 'error')
            && !cell.metadata.tags?.includes('raises-exception'))"""
# Nothing, while a theme is being changed.
HEIGHT = """() => {
    const panel = document.querySelector('.jp-WindowedPanel-outer');
    const all = document.querySelector('.jp-WindowedPanel-inner').scrollHeight;
    panel.scrollTo(0, 0);
    return all && Math.ceil(panel.getBoundingClientRect().top + all) + 40;
}"""
# Cells out of sight have only a guessed height, else.
LAID_OUT = ".jp-Cell { content-visibility: visible !important; }"

_DEBUGGER_CUT_OFF = "Could not restore the debugger state: Canceled future"


class Lab:
    """A running JupyterLab, and a browser.

    Args:
        server: as `running_server` gives it.
        browser: shows it.
    """

    def __init__(self, server, browser):
        self._folder, self._address, self._token = server
        self._browser = browser
        # Another page than ours may have chosen a theme.
        (self._folder.parent / "settings" / THEME).unlink(missing_ok=True)
        self._idle = []  # pages whose notebook is closed: to load another takes seconds

    def open_cells(self, *sources, python=None):
        """Open a new notebook with code cells, for a kernel of this Python or of another one."""
        return self._open("new.ipynb", self._notebook(sources, python))

    @contextmanager
    def open_in_notebook(self, *sources):
        """Open a new notebook with code cells in Jupyter Notebook; gives playwright's page."""
        nbformat.write(self._notebook(sources, None), self._folder / "new.ipynb")
        tab = self._browser.new_page(viewport=VIEWPORT)
        tab.goto(f"{self._address}/notebooks/new.ipynb?token={self._token}")
        tab.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=1000 * START)
        yield tab
        tab.close()

    def _notebook(self, sources, python):
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": self._spec(python)})

    def _spec(self, python):
        """What a notebook says of its kernel; the server learns of that of another Python."""
        if python in (None, sys.executable):
            return KERNEL
        name = Path(python).parents[1].name.lower()
        spec = {**KERNEL, "name": name, "display_name": name}
        folder = self._folder.parent / "jupyter_data_dir" / "kernels" / name
        folder.mkdir(parents=True, exist_ok=True)
        command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        command.append(f"--IPKernelApp.exec_lines={HEAR_ALL}")
        (folder / "kernel.json").write_text(json.dumps({"argv": command, **spec}))
        return spec

    def open_copy(self, path, python=None):
        """Open a copy of a notebook, as if it had never been run, for the kernel of a Python."""
        notebook = nbformat.read(path, as_version=4)
        notebook.metadata.kernelspec = self._spec(python)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        return self._open(path.name, notebook)

    def open_saved(self, *, trusted=True):
        """Open the notebook of the latest `open_cells` as it was saved.

        Args:
            trusted: else it is as if it came from somebody else.
        """
        path = self._folder / "new.ipynb"
        notebook = nbformat.read(path, as_version=4)
        if not trusted:  # the server knows what it wrote itself, to the letter
            notebook.cells.append(nbformat.v4.new_markdown_cell("somebody else's"))
        return self._open(path.name, notebook)

    @contextmanager
    def open_page(self, path):
        """Open a page that is a file."""
        tab = self._browser.new_page(viewport=VIEWPORT)
        page = Page(tab, "file:/")
        tab.goto(path.as_uri())
        yield page
        tab.close()

    @contextmanager
    def _open(self, name, notebook):
        nbformat.write(notebook, self._folder / name)
        page = self._idle.pop() if self._idle else self._new_page()
        page.open(name)
        yield page
        self._idle.append(page.closed())

    def _new_page(self):
        tab = self._browser.new_page(viewport=VIEWPORT)
        page = Page(tab, self._address)
        tab.goto(f"{self._address}/lab?token={self._token}&reset")
        tab.wait_for_function(LAB_IS_READY, timeout=1000 * START)
        tab.add_style_tag(content=LAID_OUT)
        return page


class Page:
    """A page with a notebook, and its kernel.

    Args:
        page: what playwright has of it.
        address: the server's.

    Attributes:
        strays: the addresses that were asked for and are not this server's.
        complaints: the errors that the browser's console shows.
    """

    def __init__(self, page, address):
        self.strays = []
        self.complaints = []
        self._page = page
        self._address = address
        self._ours = (f"{address}/", f"{address}/".replace("http", "ws", 1), "data:", "blob:")
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda websocket: self._note(websocket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def open(self, name):
        """Open a notebook, and wait for its kernel."""
        self._page.evaluate(OPEN, name)
        self._page.evaluate(LISTEN)
        with self._telling():
            self._page.wait_for_function(KERNEL_IS_READY, timeout=1000 * START)

    def closed(self):
        """Shut the kernel down, and close the notebook without keeping what changed.

        Gives the page for another notebook; what was noted of this one stays here.
        """
        self._page.evaluate(CLOSE)
        self._page.set_viewport_size(VIEWPORT)
        return Page(self._page, self._address)

    def code_cells(self):
        """The code cells as a file would have them."""
        return self._page.evaluate(CODE_CELLS)

    def start_all(self):
        self._command("notebook:run-all-cells")

    def run_all(self):
        """Run all cells. Gives the code cells, also if some have not run within the bound."""
        self.start_all()
        return self.finish_all()

    def finish_all(self):
        """Wait for the end of all cells, or for an error, and give the code cells."""
        self._wait_for([*range(len(self.code_cells()))], RUN, HAVE_RUN_OR_FAILED)
        return self.code_cells()

    def run_last(self):
        """Run the last cell alone, and give it."""
        self._command("notebook:move-cursor-to-last-cell")
        self._command("notebook:run-cell")
        self._wait_for([-1], RUN)
        return self.code_cells()[-1]

    def press_stop(self, number):
        """Press the button with the square, and give the code cell that this is to end."""
        self._page.locator("[data-command='notebook:interrupt-kernel'] >> visible=true").click()
        self._wait_for([number], STOP)
        return self.code_cells()[number]

    def narrow(self, width):
        """Make the window so wide."""
        self._page.set_viewport_size({**VIEWPORT, "width": width})

    def reload(self):
        """Load the page anew, as it comes after a save; its kernel goes on."""
        self._page.reload()
        self._page.wait_for_function(LAB_IS_READY, timeout=1000 * START)
        self._page.wait_for_function(KERNEL_IS_READY, timeout=1000 * START)

    def wait_for_output(self, text):
        """Wait until an output shows a text; the source of a cell does not count."""
        output = self._page.locator(".jp-OutputArea-output", has_text=text)
        output.first.wait_for(timeout=1000 * RUN)

    def find(self, selector):
        """What of the page matches a selector, as playwright's locator."""
        return self._page.locator(selector)

    def screen(self, path):
        """Keep a picture of what the screen shows, with what hangs over the notebook."""
        self._page.screenshot(path=path)

    @property
    def keyboard(self):
        """The keyboard, as playwright's."""
        return self._page.keyboard

    def save(self):
        """Write the file; gives it, read."""
        return nbformat.reads(json.dumps(self._page.evaluate(SAVE)), as_version=4)

    def hold(self, text):
        """Wait until the page shows a text somewhere in a live view."""
        self._page.locator(".rl-live", has_text=text).first.wait_for(timeout=1000 * RUN)

    def evaluate(self, function):
        """What a JavaScript function gives in the page."""
        return self._page.evaluate(function)

    def picture(self, path, theme="light"):
        """Keep a picture of the whole notebook."""
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
        self._page.evaluate(change, f"JupyterLab {theme.title()}")
        self._page.wait_for_timeout(500)  # Lab fades and lays out anew, and does not say when
        height = self._page.wait_for_function(HEIGHT).json_value()
        self._page.set_viewport_size({**VIEWPORT, "height": height})
        self._page.wait_for_function(HEIGHT)
        self._page.screenshot(path=path)

    def _hear(self, message):
        # JupyterLab's debugger says so of a kernel that is restarted while it asks for its state.
        if message.type == "error" and not message.text.startswith(_DEBUGGER_CUT_OFF):
            self.complaints.append(message.text)

    def _note(self, url):
        if not url.startswith(self._ours):
            self.strays.append(url)

    def _command(self, name):
        # Without the braces the page would wait for the command's end.
        self._page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def _wait_for(self, numbers, seconds, condition=HAVE_RUN):
        with suppress(StillWaiting), self._telling():  # what the cells say then tells more
            self._page.wait_for_function(condition, arg=numbers, timeout=1000 * seconds)

    @contextmanager
    def _telling(self):
        """Tell what was said last if something does not come; pytest shows it when a test fails."""
        try:
            yield
        except StillWaiting:
            heard = "\n".join(self.evaluate("() => rpclabHeard"))
            log.warning("page and kernel said last:\n%s", heard)
            raise


@contextmanager
def running_chromium(path):
    """Run a browser that reaches no other machine.

    Args:
        path: where it is.
    """
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=CHROMIUM) as browser,
    ):
        yield browser


@contextmanager
def running_server(folder):
    """Run the server of a JupyterLab whose settings and traces all are in a folder.

    Args:
        folder: an empty one.

    Returns:
        The folder of its notebooks, its address, and the token that opens it.
    """
    notebooks, settings, log = folder / "notebooks", folder / "settings", folder / "server.log"
    notebooks.mkdir()
    (folder / "demos").symlink_to(DEMOS)  # beside the notebooks, as in the repository
    for name, values in SETTINGS.items():
        path = settings / f"@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values))
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR",
              "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")  # fmt: skip
    environment = {name: str(folder / name.lower()) for name in places}
    environment["JUPYTERLAB_SETTINGS_DIR"] = str(settings)
    token, port = secrets.token_hex(8), _free_port()
    command = [
        sys.executable, "-m", "jupyterlab", str(notebooks), "--no-browser", "--allow-root",
        "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/api/status?token={token}", process, log)
        yield notebooks, address, token
    finally:
        process.terminate()  # the kernels too
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(url, process, log):
    deadline = time.monotonic() + START
    while True:
        try:
            urllib.request.urlopen(url, timeout=START).close()  # noqa: S310 - our own server
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return
