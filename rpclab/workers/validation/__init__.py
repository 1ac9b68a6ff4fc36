"""Arguments checked against annotations, before a method runs: `Sandbox(validate=…)`.

Floor: workers. pydantic does it (the extra rpclab[validate]); nothing is converted, a method gets
what the caller sent. `policy` says whose calls are checked, `door` checks them, `schemas` reads
annotations.
"""
