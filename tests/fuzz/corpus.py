"""Every past finding, kept as data, and which of them are not mended yet.

Each file in corpus/ is one entry, in JSON:

    {
        "name": "…",
        "happened": "what happened once",
        "level": "core" or "engine",
        "dialects": ["msgpack", "capnweb"],
        "ends": 1,
        "steps": [...]          as in `worlds`
    }

corpus/recipes.json says the same of the frames in `recipes`: a name, and what happened.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from fuzz.verdict import Finding

FOLDER = Path(__file__).with_name("corpus")
_KNOWN = Path(__file__).with_name("known.toml")


@dataclass
class Entry:
    """One past finding, in one dialect."""

    name: str
    happened: str
    level: str
    dialect: str
    steps: list
    ends: int = 1

    def finding(self):
        """As `play.again` takes it."""
        return Finding("", "", self.level, self.dialect, self.name, self.ends, self.steps)


def load():
    """Read the corpus."""
    entries = []
    for path in sorted(FOLDER.glob("*.json")):
        kept = json.loads(path.read_text())
        if path.name == "recipes.json":
            for name, happened in kept.items():
                steps = [["recipe", 0, name], ["turn"]]
                entries.append(Entry(name, happened, "core", "msgpack", steps))
            continue
        for dialect in kept["dialects"]:
            entries.append(
                Entry(
                    kept["name"], kept["happened"], kept["level"], dialect, kept["steps"],
                    kept.get("ends", 1),
                )  # fmt: skip
            )
    return entries


@dataclass
class Known:
    """What is known to fail, each with the reason.

    Attributes:
        entries: of the corpus, by name.
        signatures: of findings of random sessions.
    """

    entries: dict
    signatures: dict


def known():
    """Read what is known to fail."""
    kept = tomllib.loads(_KNOWN.read_text()) if _KNOWN.exists() else {}
    return Known(kept.get("entries", {}), kept.get("signatures", {}))
