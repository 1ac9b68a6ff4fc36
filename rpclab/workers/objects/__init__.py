"""Durable Objects: one live instance for each id.

Floor: workers.
"""
