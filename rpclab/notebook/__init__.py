"""The Jupyter side: magics over the sandbox, displays, and what kernels need to behave.

Floor: notebook, the highest. Nothing below imports it; `%load_ext rpclab` does.
"""
