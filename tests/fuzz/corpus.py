"""Every past finding, kept as data, and which of them are not mended yet.

Each file in corpus/ is one entry, in JSON:

    {
        "name": "…",
        "happened": "what happened once",
        "level": "core" or "engine",
        "dialects": ["msgpack"],
        "variant": "",
        "steps": [...]          as in `worlds`
    }

What `recipes` makes is in the corpus too: its docstring says what happened.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fuzz import recipes
from fuzz.verdict import Finding

FOLDER = Path(__file__).with_name("corpus")
_KNOWN = Path(__file__).with_name("known.toml")


@dataclass
class Entry:
    """One past finding, at one level and in one dialect."""

    name: str
    happened: str
    level: str
    dialect: str
    steps: list
    variant: str = ""

    @property
    def title(self):
        """Tells it from every other one."""
        return f"{self.name}, {self.level}, {self.dialect}"

    def finding(self):
        """As `play.again` takes it."""
        return Finding("", "", self.level, self.dialect, self.name, self.variant, self.steps)


def load():
    """Read the corpus: the recipes, and what is kept in files."""
    entries = []
    for name, recipe in recipes.ALL.items():
        happened = " ".join((recipe.__doc__ or "").split())
        steps = [*recipes.BEFORE.get(name, ()), ["recipe", 0, name], ["turn"]]
        levels = ("core",)
        if name in recipes.AWAITED or name in recipes.SANDBOXED:
            levels = ("core", "engine")[name in recipes.SANDBOXED :]
        entries += [Entry(name, happened, level, "msgpack", steps) for level in levels]
    for path in sorted(FOLDER.glob("*.json")):
        kept = json.loads(path.read_text())
        entries += [
            Entry(**{key: kept[key] for key in kept if key != "dialects"}, dialect=dialect)
            for dialect in kept["dialects"]
        ]
    return entries


@dataclass
class Known:
    """What is known to fail, each with the reason.

    Attributes:
        entries: of the corpus, by name.
        signatures: of findings of random sessions, as patterns with `*`.
    """

    entries: dict
    signatures: dict

    def pattern(self, signature):
        """The pattern that a signature fits, if any."""
        return next((p for p in self.signatures if fnmatchcase(signature, p)), None)


def known():
    """Read what is known to fail."""
    kept = tomllib.loads(_KNOWN.read_text()) if _KNOWN.exists() else {}
    return Known(kept.get("entries", {}), kept.get("signatures", {}))
