"""KV: keys and values that Workers are bound to, on SQLite.

Floor: workers.
"""
