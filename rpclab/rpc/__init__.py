"""The asyncio shell: the run queue, what awaits and is awaited, stubs.

Floor: rpc.
"""
