"""In which frames the operations travel: what a codec must say about itself.

Floor: core.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """The differences between the dialects that one session can speak.

    Attributes:
        name: for texts and tests.
        call_pulls: a call asks for its result by itself; else a pull is sent once somebody here
            waits for the result.
        acknowledges: a batch says how many plain settlements its sender has seen, and these are
            released by that; else each is released by a message of its own.
        cancels: there are operations to give up a call, and the reading of a stream; else a
            cancelled call is released, which stops nothing, and writes to the stream are rejected.
        keywords: keyword arguments can be sent.
        notes_runs: what a recording is told of calls, and results, in a row holds for them (see
            `events.unfolded`): how many bytes each takes.
        quiet: a batch can say of which calls nobody can ask for the results.
        shares: what stands several times in a message is introduced once (rule F8), and no id in
            two messages; else each mention introduces, and is counted.
        keeps_order: a call that waits for promised arguments holds back those behind it.
        paths: a member can be mentioned that nobody has read; else it is read first.
        web_streams: streams end as those of the web do: the other end learns the error that ended
            it (unlike rules S4 and S16), and is released when that is answered; nor is it told how
            long a chunk lay there.
        undefined: to read a member that is not there gives None; else it is an error.
        last_export: the number before the first one that is introduced.
    """

    name: str
    call_pulls: bool
    acknowledges: bool
    cancels: bool
    keywords: bool
    notes_runs: bool
    quiet: bool
    shares: bool
    keeps_order: bool
    paths: bool
    web_streams: bool
    undefined: bool
    last_export: int


MSGPACK = Dialect(
    "msgpack",
    call_pulls=True,
    acknowledges=True,
    cancels=True,
    keywords=True,
    notes_runs=True,
    quiet=True,
    shares=True,
    keeps_order=True,
    paths=False,
    web_streams=False,
    undefined=False,
    last_export=-1,  # to CPython -1 and -2 have one hash: a small table with both is slow to search
)
CAPN_WEB = Dialect(
    "capnweb",
    call_pulls=False,
    acknowledges=False,
    cancels=False,
    keywords=False,
    notes_runs=False,
    quiet=False,
    shares=False,
    keeps_order=False,
    paths=True,
    web_streams=True,
    undefined=True,
    last_export=0,
)
