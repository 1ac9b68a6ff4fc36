"""Sessions with peers elsewhere: over sockets, WebSockets and HTTP.

Floor: net.
"""
