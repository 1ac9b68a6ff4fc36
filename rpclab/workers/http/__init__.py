"""HTTP messages, and the calls that carry them.

Floor: workers. Loaded when the first of these names is used.
"""

from __future__ import annotations

from rpclab.workers.http import wire_format
from rpclab.workers.http.blobs import Blob, File
from rpclab.workers.http.fetching import fetch
from rpclab.workers.http.forms import FormData
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import Response

__all__ = ["Blob", "File", "FormData", "Headers", "Request", "Response", "fetch", "wire_format"]
