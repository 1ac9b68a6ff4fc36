"""What the engine of child processes and its zygote say to each other.

Floor: sandbox.
"""

from __future__ import annotations

from struct import Struct

ASK = Struct(">ci")
"""What the zygote is asked: FORK a child of that number, or KILL it. FORK comes with three
descriptors: the line to the child, and what becomes its stdout and stderr."""

TELL = Struct(">iii")
"""What it tells: the number of a child; BEGUN and its process id, ENDED and the status that
`os.waitpid` gave, or REFUSED and the number of the system's error, which forks none. Or SAID and
how many bytes follow: a text, which says why the zygote has ended, should it end now."""

FORK, KILL = b"f", b"k"
BEGUN, ENDED, REFUSED, SAID = 0, 1, 2, 3
