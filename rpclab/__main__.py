"""`python -m rpclab`.

Floor: cli.
"""

from __future__ import annotations

import sys

from rpclab.cli import main

if __name__ == "__main__":
    sys.exit(main())
