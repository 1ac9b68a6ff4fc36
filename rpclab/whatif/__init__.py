"""What if? Programs run again, in a sandbox of their own, with one thing changed or cut.

Floor: whatif. Each run has the Workers, links and stored data of a sandbox as they are now, a
virtual clock, and no network; so it takes the same on every run, and changes nothing elsewhere.
"""

from rpclab.whatif.changes import Break, Change, Fail, Link, Locate, NoPipelining
from rpclab.whatif.comparing import Difference, WhatIf, replay
from rpclab.whatif.playing import Program, Run
from rpclab.whatif.scrubbing import Fault, Faults, Finding, scrub
from rpclab.whatif.world import World

__all__ = [
    "Break",
    "Change",
    "Difference",
    "Fail",
    "Fault",
    "Faults",
    "Finding",
    "Link",
    "Locate",
    "NoPipelining",
    "Program",
    "Run",
    "WhatIf",
    "World",
    "replay",
    "scrub",
]
