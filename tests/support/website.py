"""The built site behind a web server of the standard library, and its pages in Chromium."""

from __future__ import annotations

from contextlib import contextmanager

from benchmarks.pages import served as serving
from support.jupyterlab import KERNEL_IS_READY, LAB_IS_READY, LISTEN, VIEWPORT, Page

START = 120  # seconds for Python to be there, on a machine that does other things as well


class Site:
    """The site, and a browser that asks nobody else.

    Args:
        address: where it is.
        browser: shows it.

    Attributes:
        strays: what pages and workers have asked for elsewhere; none of it was sent.
    """

    def __init__(self, address, browser):
        self.address = address
        self.strays = []
        self._browser = browser

    @contextmanager
    def visitor(self, **options):
        """Somebody who has never been here: a browser without a cache, storage or links."""
        with self._browser.new_context(**{"viewport": VIEWPORT, **options}) as context:
            context.set_default_timeout(1000 * START)
            context.route("**/*", self._pass_on)
            yield context

    def _pass_on(self, route):
        if route.request.url.startswith(f"{self.address}/"):
            route.continue_()
        else:
            self.strays.append(route.request.url)
            route.abort()

    @contextmanager
    def page(self, path, **options):
        """One page for a new visitor, as playwright's."""
        with self.visitor(**options) as visitor:
            page = visitor.new_page()
            page.goto(f"{self.address}/{path}")
            yield page

    @contextmanager
    def notebook(self, path):
        """JupyterLab with a notebook of the site, for a new visitor, when its kernel is ready."""
        with self.page(f"lab/lab/index.html?path={path}") as tab:
            yield self.when_ready(tab)

    def when_ready(self, tab):
        """Wait for the kernel of the notebook; gives the page as `support.jupyterlab` has it."""
        tab.wait_for_function(LAB_IS_READY)
        tab.wait_for_function(KERNEL_IS_READY)
        tab.evaluate(LISTEN)
        return Page(tab, self.address)


@contextmanager
def served(folder, browser):
    """Serve a site, and give it."""
    with serving(folder) as address:
        yield Site(address, browser)
