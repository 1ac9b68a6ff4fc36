"""What a program is told of itself: places in its code, leaks and who holds them, long waits.

Floor: rpc. Everything here looks at what is there already; it sends nothing and runs no user code.
"""
