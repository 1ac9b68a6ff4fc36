"""What labels and tooltips say of calls, messages and stubs, in the words of `words.py`.

Floor: trace.
"""

from __future__ import annotations

import re

from rpclab.trace.model import Arrow, CallBar, StubBar, TargetBar
from rpclab.trace.pictures.templates import known_of, said, told
from rpclab.trace.pictures.words import WORDS

_ON_A_CALL_BEFORE = "(0)"  # one that was made before the recording began
_CELL = re.compile(r"Cell In\[[^]]*\], ")
_LABELS = WORDS["labels"]


def call_label(call: CallBar, *, in_words: bool = False) -> str:
    """A call and what came of it, such as "1 increment(5) = 5".

    Args:
        call: the call.
        in_words: say that it was pipelined, where no line shows it.
    """
    on_a_promise = call.pipelined_on is not None or call.label.startswith(_ON_A_CALL_BEFORE)
    known = known_of(call, pipelined=in_words and on_a_promise, result=call.result or "''")
    return said(_LABELS["call"][call.outcome], known)


def call_title(call: CallBar) -> str:
    """All that is known of a call but its times, a line for each."""
    return "\n".join(told("call", known_of(call)))


def message_title(message: Arrow) -> str:
    """What a message is."""
    known = known_of(message, under_way=message.arrived_at is None)
    return "\n".join(told("message", known))


def stub_label(stub: StubBar) -> str:
    """Who holds a stub, and how it was come by."""
    return said(_LABELS["stub"], known_of(stub))


def stub_title(stub: StubBar, target: TargetBar | None) -> str:
    """All that is known of a stub but its times, a line for each."""
    receivers = list(dict.fromkeys(to for _, _, to in stub.passed))
    known = known_of(stub, receivers=receivers)
    if target is not None:
        known |= {"name": target.name, "worker": target.worker}
    return "\n".join(told("stub", known))


def target_title(target: TargetBar, references: int | None = None) -> str:
    """All that is known of a target but its times, a line for each.

    Args:
        target: the target.
        references: how many there are to it in the part of its bar that is meant.
    """
    known = known_of(target, references=references, is_broken=target.broken is not None)
    return "\n".join(told("target", known))


def without_cells(text: str) -> str:
    """A text in which places in cells are told by their line alone, the same on every run."""
    return _CELL.sub("", text)


def without_the_cell(text: str) -> str:
    """The same where all places are in one cell; else as it is."""
    return without_cells(text) if len(set(_CELL.findall(text))) == 1 else text
