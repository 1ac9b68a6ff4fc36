"""What the tests of the rules share."""

from __future__ import annotations

from support.world import world

__all__ = ["world"]
