"""The protocol, without any I/O: sessions, tables, hooks, targets, contexts.

Floor: core. Knows neither asyncio nor a clock, a socket or a thread; time, scheduling and
sending are handed in (see `host.Host`). Messages go in through `Session.receive`, and come
out through the session's `outbox`.
"""
