"""What happened, as data, and what can be read from it.

Floor: trace.
"""
