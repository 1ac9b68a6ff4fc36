"""What a Durable Object keeps: keys and values, tables, an alarm; on SQLite.

Floor: workers.
"""
