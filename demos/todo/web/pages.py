"""HTML: the templates beside this file, in which every value is escaped."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from workers import Response

HERE = Path(__file__).parent
STYLE = Markup((HERE / "style.css").read_text("utf-8"))  # noqa: S704 - a file of our own

# The browser runs our script, applies our style, asks this site alone, and believes nothing else.
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)
HEADERS = {
    "content-type": "text/html;charset=UTF-8",
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Pages:
    """Makes pages.

    Args:
        title: what the site is called.
    """

    def __init__(self, title: str) -> None:
        self._title = title

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Make a page of a template."""
        html = TEMPLATES.get_template(template).render(site=self._title, style=STYLE, **values)
        return Response(html, status, headers=HEADERS)

    def problem(self, status: int, text: str) -> Response:
        """Make a page that says what went wrong."""
        return self.show("problem.html", status=status, text=text)


def see_other(path: str, cookie: str | None = None) -> Response:
    """Send the browser to a page, so that loading it again repeats nothing."""
    headers = {"location": path}
    if cookie is not None:
        headers["set-cookie"] = cookie
    return Response(status=303, headers=headers)
