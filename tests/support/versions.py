"""What there is in this version of Python, and in another one perhaps not."""

from __future__ import annotations

import asyncio

TASK_FACTORIES = {"lazy": None}
if hasattr(asyncio, "eager_task_factory"):  # since 3.12
    TASK_FACTORIES["eager"] = asyncio.eager_task_factory
