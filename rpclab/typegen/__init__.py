"""Types for Python users: a `.pyi` in which `env` and every remote method are known.

Floor: typegen. The text of Workers is read, and none of it is run.
"""
