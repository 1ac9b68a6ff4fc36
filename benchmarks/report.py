"""From figures to the table and the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.plan import WORKLOADS, Goal, Row
from benchmarks.rounds import Run

RESULTS = Path(__file__).with_name("results")
HEADINGS = ("workload", "what", "median", "all rounds", "goal", "mark")


@dataclass(frozen=True)
class Line:
    """A row and what the rounds made of it; no values when a side was not measured."""

    workload: str
    row: Row
    values: Sequence[float]

    @property
    def value(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal or a value."""
        if self.row.goal is None or self.value is None:
            return None
        return self.row.goal.met(self.value)

    def cells(self) -> tuple[str, ...]:
        unit, goal = self.row.unit, self.row.goal
        return (
            self.workload,
            " / ".join(filter(None, (self.row.side, self.row.against))),
            "not measured" if self.value is None else f"{self.value:.3g}{unit}",
            f"{min(self.values):.3g} to {max(self.values):.3g}" if self.values else "",
            goal_text(goal, unit) if goal else "",
            {True: "met", False: "MISSED", None: ""}[self.met],
        )


def goal_text(goal: Goal, unit: str) -> str:
    aim = f", aim {goal.aim:g}{unit}" if goal.aim is not None else ""
    return f"{goal.relation} {goal.bound:g}{unit}{aim}"


def lines(run: Run) -> list[Line]:
    """Every row of the workloads that ran, its sides compared within each round."""
    return [
        Line(name, row, [v for figures in rounds if (v := row.value(figures)) is not None])
        for name, rounds in run.figures.items()
        for row in WORKLOADS[name].rows
    ]


def table(all_lines: Sequence[Line]) -> str:
    """A Markdown table with columns that line up."""
    rows = [HEADINGS, *(line.cells() for line in all_lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in ruled)


def write(
    run: Run, all_lines: Sequence[Line], *, seconds: float, versions: Mapping[str, str]
) -> Path:
    """Write the run as JSON into a file named after the moment, and return its path."""
    now = datetime.now(UTC)
    content = {
        "at": now.isoformat(timespec="seconds"),
        "seconds": seconds,
        "versions": versions,
        "rows": [
            {
                "workload": line.workload,
                "side": line.row.side,
                "against": line.row.against,
                "median": line.value,
                "rounds": line.values,
                "goal": goal_text(line.row.goal, line.row.unit) if line.row.goal else None,
                "met": line.met,
            }
            for line in all_lines
        ],
        "figures": run.figures,
        "errors": run.errors,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
