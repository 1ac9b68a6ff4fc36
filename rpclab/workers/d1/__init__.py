"""D1: the database binding, on SQLite.

Floor: workers.
"""
