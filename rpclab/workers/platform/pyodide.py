"""`pyodide`: what runs Python inside JavaScript on the platform.

Floor: workers. Here `pyodide.ffi` and `pyodide.http` have what a Worker needs.
"""

from __future__ import annotations

from rpclab.workers.platform.advice import lacking

__all__: list[str] = []

__getattr__ = lacking(
    "pyodide",
    {"code": "there is no JavaScript here that could be run"},
    ("ffi", "http"),
)
