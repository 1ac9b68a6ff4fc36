"""A network and a clock that are simulated: links, cities, virtual time, and no pipelining.

Floor: rpc. The engine takes these in when a sandbox asks for them, and else loads none of them.
"""
