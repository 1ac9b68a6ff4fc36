"""Have the pages of the site refuse other hosts, by a Content Security Policy in each.

Scripts in a page itself are allowed by their digests. JupyterLab compiles functions from text, so
its pages allow that; the others do not.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

INLINE = re.compile(r"<script(?![^>]*\ssrc=)([^>]*)>(.*?)</script>", re.DOTALL)
META = '<meta http-equiv="Content-Security-Policy" content="{}">'

POLICY = {
    "default-src": "'self'",
    "script-src": "'self' blob: 'wasm-unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' blob: data:",
    "font-src": "'self' data:",
    "connect-src": "'self' blob: data:",
    "worker-src": "'self' blob:",
    "frame-src": "'self' blob: data:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}


def protect(pages: Iterable[Path], *, compiles: bool = False) -> None:
    """Write the policy into pages that have none yet.

    Args:
        pages: their files.
        compiles: whether their scripts compile functions from text.

    Raises:
        ValueError: a page has no head to put it into.
    """
    for page in pages:
        text = page.read_text("utf-8")
        if "Content-Security-Policy" in text:
            continue
        head = re.search(r"<head[^>]*>", text)
        if head is None:
            raise ValueError(f"{page} has no head")
        meta = META.format(policy(text, compiles=compiles))
        page.write_text(f"{text[: head.end()]}{meta}{text[head.end() :]}", "utf-8")


def policy(text: str, *, compiles: bool) -> str:
    """The policy of a page with that text."""
    scripts = [found[2] for found in INLINE.finditer(text) if "json" not in found[1]]
    digests = sorted({digest(script) for script in scripts})
    allowed = [POLICY["script-src"], *digests, *["'unsafe-eval'"] * compiles]
    return "; ".join(
        f"{name} {sources}" for name, sources in {**POLICY, "script-src": " ".join(allowed)}.items()
    )


def digest(script: str) -> str:
    """How a policy names a script that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
