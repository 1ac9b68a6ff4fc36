"""What the tests of this floor share."""

from __future__ import annotations

from support.world import world

__all__ = ["world"]
