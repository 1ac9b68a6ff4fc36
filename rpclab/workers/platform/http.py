"""`pyodide.http`: fetching, in Pyodide's words.

Floor: workers.
"""

from __future__ import annotations

from rpclab.workers.http.fetching import fetch as pyfetch
from rpclab.workers.platform.advice import lacking

__all__ = ["pyfetch"]

__getattr__ = lacking("pyodide.http", {"open_url": "await (await pyfetch(url)).text()"}, __all__)
