"""The widget of a walk through faults: a table whose rows open the timelines of their runs.

Floor: notebook. A timeline is drawn when its row is opened, and sent to the page then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.notebook.widgets.base_widget import LIVE_LOOK, PageView
from rpclab.notebook.widgets.es_modules import alone
from rpclab.printable import printable
from rpclab.trace.pictures.stored_html import drawing
from rpclab.trace.pictures.words import WORDS
from rpclab.whatif.fault_table import HEADS, row_of, where

if TYPE_CHECKING:
    from rpclab.whatif import Fault, Faults


class FaultsView(PageView):
    """The runs of a walk through faults.

    Args:
        faults: what it shows.
    """

    kind = "faults"
    _esm = alone("faults", LIVE_LOOK, WORDS)

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def _answer(self, message: dict[str, Any]) -> None:
        match message:
            case {"ask": "all"}:
                self._tell(rows_of(self._faults))
            case {"ask": "timeline", "row": int(row)} if 0 <= row < len(self._faults):
                self._tell({"kind": "timeline", "row": row, "svg": picture_of(self._faults[row])})


def rows_of(faults: Faults) -> dict[str, Any]:
    """All that the table says, as a message to the page."""
    return {
        "kind": "all",
        "summary": faults.summary(),
        "without": printable(f"without a cut it {faults.baseline.text}"),
        "findings": [
            {"kind": finding.kind, "what": printable(finding.what), "where": where(shown),
             "rows": [faults.index(fault) for fault in shown]}
            for finding, shown in faults.findings.items()
        ],
        "heads": HEADS,
        "rows": [
            {"cells": [printable(cell) for cell in row_of(fault)],
             "said": [printable(str(each)) for each in fault.findings],
             "ended": printable(fault.run.text)}
            for fault in faults
        ],
    }  # fmt: skip


def picture_of(fault: Fault) -> str:
    """The timeline of a run, as a part of a page."""
    return drawing(fault.timeline().svg())
