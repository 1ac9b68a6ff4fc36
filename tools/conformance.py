"""Write docs/conformance.md and the README's feature table: `make docs`.

The rules stand in docs/rules.toml; a test proves those that its name begins with, as in
`test_C5_C6_a_missing_method_is_named`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
README = ROOT / "README.md"
MARKS = "<!-- features: written by `make docs` -->\n", "<!-- end of features -->\n"

SOURCE = tomllib.loads((ROOT / "docs" / "rules.toml").read_text("utf-8"))
AREAS: dict[str, str] = SOURCE["areas"]
NOT_YET: dict[str, str] = SOURCE["not_yet"]
DIFFERENCES: dict[str, str] = SOURCE["differences"]


@dataclass
class Rule:
    """One rule of the original and what becomes of it here."""

    id: str
    says: str
    seen: list[str]
    tests: list[str] = field(default_factory=list)

    @property
    def area(self) -> str:
        """The letter of the area."""
        return self.id[0]

    @property
    def reason(self) -> str | None:
        """Why rpclab does not do the same."""
        return NOT_YET.get(self.id) or NOT_YET.get(self.area) or DIFFERENCES.get(self.id)

    @property
    def state(self) -> str:
        """What readers want to know; a difference is one also when a test shows it."""
        if self.id in NOT_YET or self.area in NOT_YET:
            return "not yet"
        if self.id in DIFFERENCES:
            return "different"
        return "proven" if self.tests else "open"


def read_rules() -> dict[str, Rule]:
    """All rules by id, each with the tests that prove it.

    Raises:
        LookupError: a test, or a list in docs/rules.toml, names a rule that does not exist.
    """
    rules = {name: Rule(name, **fields) for name, fields in SOURCE["rules"].items()}
    if unknown := (NOT_YET.keys() - AREAS.keys() | DIFFERENCES.keys()) - rules.keys():
        raise LookupError(f"docs/rules.toml has a reason but no rule: {', '.join(unknown)}")
    for name, test in proofs():
        if name not in rules:
            raise LookupError(f"docs/rules.toml has no rule {name}, which this test names: {test}")
        rules[name].tests.append(test)
    return rules


def proofs() -> Iterator[tuple[str, str]]:
    """Each rule that a test's name begins with, and a link to that test."""
    for path in sorted(ROOT.glob("tests/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
                name := re.fullmatch(r"test((?:_[A-Z]\d+)+)_(\w+)", node.name)
            ):
                sentence = name[2].replace("_", " ")
                link = f"[{sentence}](../{path.relative_to(ROOT).as_posix()})"
                for rule in name[1].split("_")[1:]:
                    yield rule, link


RULES = read_rules()


def page() -> str:
    """The text of docs/conformance.md."""
    count = Counter(rule.state for rule in RULES.values())
    lines = [
        "# rpclab and the rules of Workers RPC",
        "",
        "<!-- Written by `make docs` from docs/rules.toml and the names of the tests. -->",
        "",
        f"Workers RPC has {len(RULES)} rules here, each seen on the Workers runtime",
        "(workerd 2026-11-17, compatibility date 2026-06-01). rpclab proves",
        f"{count['proven']} of them by tests, differs from {count['different']} on purpose, and",
        f"lacks {count['not yet']} so far. {count['open']} have no test.",
        "",
    ]
    if count["open"]:
        waiting = [rule.id for rule in RULES.values() if rule.state == "open"]
        lines += ["## Without a test", "", ", ".join(waiting), ""]
    if NOT_YET:
        lines += ["## Not yet", "", *head("what", "why")]
        lines += [row(AREAS.get(name, name), why) for name, why in NOT_YET.items()]
    lines += ["", "## Different on purpose", "", *head("rule", "Workers RPC", "rpclab")]
    lines += [row(name, RULES[name].says, why) for name, why in DIFFERENCES.items()]
    for area, title in AREAS.items():
        lines += ["", f"## {area}. {title}", "", *head("rule", "Workers RPC", "rpclab")]
        lines += [row(rule.id, rule.says, here(rule)) for rule in of(area)]
    return "\n".join(lines) + "\n"


def here(rule: Rule) -> str:
    """What rpclab does about a rule: why it is not the same, and the tests."""
    reason = [f"{rule.state}: {rule.reason}"] if rule.reason else []
    return "<br>".join([*reason, *rule.tests]) or "no test"


def features() -> str:
    """The README's table: how the rules of each area stand."""
    lines = head("area", "rules", "proven by tests", "different on purpose", "not yet")
    for title, rules in [*((AREAS[area], of(area)) for area in AREAS), ("all", RULES.values())]:
        count = Counter(rule.state for rule in rules)
        states = (count[state] or "" for state in ("proven", "different", "not yet"))
        lines.append(row(title, count.total(), *states))
    return "\n".join(lines) + "\n"


def readme() -> str:
    """The README with its feature table written anew."""
    before, begin, rest = README.read_text("utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise LookupError(f"README.md lacks the lines {' '.join(MARKS)}")
    return f"{before}{begin}\n{features()}\n{end}{after}"


def of(area: str) -> list[Rule]:
    """The rules of one area."""
    return [rule for rule in RULES.values() if rule.area == area]


def head(*titles: str) -> list[str]:
    """The first two lines of a table."""
    return [row(*titles), row(*("---" for _ in titles))]


def row(*cells: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    README.write_text(readme(), "utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}, {README.relative_to(ROOT)}")
