"""Ordered frames between the two ends of a session.

Floor: transports.
"""
