"""Where a Worker runs: in this process, in processes of its own, on the nodes of a cluster.

Floor: sandbox. Placement changes speed and isolation, never meaning. One concept a file: `engine`
is what an engine is asked, `processes` is the one for child processes, `child` the program that
runs one Worker there; `cluster` is the one for nodes, with `nodes`, `agent` and `doors`, and of
Dask `dask_cluster`; `ways` are the sessions between programs; `hosts` and `placed` are a child
and a Worker as the sandbox sees them, `programs` holds them together, and `placing` is the part of
the sandbox that places, with `deploying` and `moving`.
"""
