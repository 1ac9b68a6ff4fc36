"""The import and export tables of all sessions at a moment of a recording."""

from itertools import islice

from rpclab.trace.replay import Replay
from rpclab.trace.table_rows import export_row, import_row


def tables_at(recording, moment=None):
    """Give the rows of each table, by the two Workers of a session, the side and the number.

    Args:
        recording: a recording that has its first events still, or these events.
        moment: after how many events; all of them unless given.
    """
    replay = Replay(islice(recording, moment))
    return {
        (end.here, end.there, side, number): row(entry)
        for end in replay.ends.values()
        for side, row in (("imports", import_row), ("exports", export_row))
        for number, entry in getattr(end, side).items()
    }


def numbers(tables, worker, side):
    """Those of one side of a Worker, as `Sandbox.tables` has them."""
    return {
        (there, number) for here, there, which, number in tables if (here, which) == (worker, side)
    }
