"""What D1 databases and Durable Objects hold and do at most: as the platform has it.

Floor: workers. The sources stand in docs/limits.md. Every program loads this, so it is light.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SqlLimits:
    """Bounds of a SQL database. Code that needs more passes here and fails on the platform.

    Attributes:
        statement_bytes: the length of one statement.
        parameters: how many values one statement takes.
        columns: of a table, an index or a result.
        value_bytes: the size of a text, of a blob, and of a whole row.
        like_pattern_bytes: the pattern of LIKE and GLOB.
        compound_select: how many SELECTs one UNION, INTERSECT or EXCEPT joins.
        expression_depth: how deep an expression is nested.
        function_arguments: of one call of a function.
        trigger_depth: how many triggers set off one another.
        query_seconds: how long a statement runs, in real time.
        result_bytes: how much one statement gives.
        database_bytes: the size of a database.
    """

    statement_bytes: int = 100_000
    parameters: int = 100
    columns: int = 100
    value_bytes: int = 2_000_000
    like_pattern_bytes: int = 50
    compound_select: int = 5
    expression_depth: int = 100
    function_arguments: int = 127
    trigger_depth: int = 10
    query_seconds: float = 30.0
    result_bytes: int = 50_000_000
    database_bytes: int = 10_000_000_000

    def advice(self, error: BaseException) -> str:
        """Say which of these bounds an error of SQLite is about; "" if it is none.

        Args:
            error: of SQLite.
        """
        for pattern, name in _SAID.items():
            if re.search(pattern, str(error)):
                bound = getattr(self, name)
                return (
                    f"the platform's limit is {bound} (docs/limits.md); for a sandbox alone"
                    f" {type(self).__name__}({name}=…) sets another"
                )
        return ""


@dataclass(frozen=True, kw_only=True)
class D1Limits(SqlLimits):
    """Bounds of the D1 databases of a sandbox; see `SqlLimits` for the others.

    Attributes:
        invocation_requests: how often one invocation of a Worker asks D1 and KV: a statement, a
            batch, an `exec` and an operation of KV are one request each. The free plan has 50.
    """

    function_arguments: int = 32
    invocation_requests: int = 1000


@dataclass(frozen=True, kw_only=True)
class ObjectLimits(SqlLimits):
    """Bounds of the Durable Objects of a sandbox; see `SqlLimits` for those of their tables.

    Attributes:
        key_bytes: a key of an object that uses no SQL. In one that does, key and value have
            `value_bytes` together.
        kv_value_bytes: a value of an object that uses no SQL.
        keys_at_once: how many keys one get, put or delete takes.
        idle_seconds: how long an object with nothing to do stays in memory, in the sandbox's time.
    """

    result_bytes: int = 128 * 1024 * 1024
    key_bytes: int = 2048
    kv_value_bytes: int = 128 * 1024
    keys_at_once: int = 128
    idle_seconds: float = 10.0


_SAID = {
    r"LIKE or GLOB pattern too complex": "like_pattern_bytes",
    r"too many SQL variables|variable number must be": "parameters",
    r"too many columns": "columns",
    r"string or blob too big|BLOB longer|string longer": "value_bytes",
    r"query string is too large|statement too long": "statement_bytes",
    r"too many terms in compound SELECT": "compound_select",
    r"Expression tree is too large": "expression_depth",
    r"too many arguments on function": "function_arguments",
    r"too many levels of trigger": "trigger_depth",
    r"database or disk is full": "database_bytes",
    r"ran for more than": "query_seconds",
    r"result is larger than": "result_bytes",
}
"""What is said where a bound is met, and which it is."""

D1_LIMITS = D1Limits()
OBJECT_LIMITS = ObjectLimits()
