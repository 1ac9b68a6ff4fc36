"""What SQL of a Worker may do, judged by SQLite's own parser (its authorizer).

Floor: workers. One guard for D1 and for the tables of Durable Objects, with the rules of the
platform. SQLite asks it about each table, function, PRAGMA and schema change while it compiles a
statement: also for what stands in views and triggers, and for what its own extensions do inside.
"""

from __future__ import annotations

import re
import sqlite3

from rpclab.workers.d1.sql_text import tokens

_FREE = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_ANALYZE})
_NAMES_ONE = frozenset(
    {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_VIEW, sqlite3.SQLITE_DELETE,
     sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_VIEW, sqlite3.SQLITE_INSERT,
     sqlite3.SQLITE_READ, sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_UPDATE}
)  # fmt: skip
_NAMES_TWO = frozenset(
    {sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_TRIGGER, sqlite3.SQLITE_DROP_INDEX,
     sqlite3.SQLITE_DROP_TRIGGER}
)  # fmt: skip
_VIRTUAL = frozenset({sqlite3.SQLITE_CREATE_VTABLE, sqlite3.SQLITE_DROP_VTABLE})
_MODULES = frozenset({"fts5", "fts5vocab", "rtree", "rtree_i32"})
_TRANSACTIONS = frozenset({sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT})
_OTHER_FILES = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})
_INTERNAL_TABLES = frozenset({"bytecode", "dbstat", "sqlite_dbpage", "sqlite_stmt", "tables_used"})
"""Tables that are there without being made, and show how the database is kept."""

SWITCHES = {
    "case_sensitive_like": 0, "defer_foreign_keys": 0, "foreign_keys": 1,
    "ignore_check_constraints": 0, "legacy_alter_table": 0, "recursive_triggers": 0,
    "reverse_unordered_selects": 0,
}  # fmt: skip
"""The PRAGMAs that can be set, with what holds when a database is opened."""
_FIGURES = frozenset({"data_version", "page_size"})
_ABOUT_TABLES = frozenset(
    {"foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo",
     "optimize", "quick_check", "table_info", "table_list", "table_xinfo"}
)  # fmt: skip
_PRAGMAS = sorted({*SWITCHES, *_FIGURES, *_ABOUT_TABLES})
_ON_OR_OFF = re.compile(r"""(['"]?)(?:true|false|yes|no|on|off|1|0)\1""", re.IGNORECASE)

_FUNCTIONS = frozenset(
    {"abs", "changes", "char", "coalesce", "concat", "concat_ws", "format", "glob", "hex",
     "ifnull", "iif", "instr", "last_insert_rowid", "length", "like", "likelihood", "likely",
     "lower", "ltrim", "max", "min", "nullif", "octet_length", "printf", "quote", "random",
     "randomblob", "replace", "round", "rtrim", "sign", "substr", "substring", "total_changes",
     "trim", "typeof", "unhex", "unicode", "unlikely", "upper", "zeroblob",
     "date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff", "current_date",
     "current_time", "current_timestamp",
     "avg", "count", "group_concat", "string_agg", "sum", "total", "row_number", "rank",
     "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value",
     "last_value", "nth_value",
     "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "cos", "cosh", "degrees",
     "exp", "floor", "ln", "log", "log2", "mod", "pi", "pow", "radians", "sin", "sinh", "sqrt",
     "tan", "tanh", "trunc",
     "json", "jsonb", "json_array", "jsonb_array", "json_array_length", "json_extract",
     "jsonb_extract", "->", "->>", "json_insert", "jsonb_insert", "json_object", "jsonb_object",
     "json_patch", "jsonb_patch", "json_remove", "jsonb_remove", "json_replace", "jsonb_replace",
     "json_set", "jsonb_set", "json_type", "json_valid", "json_quote", "json_group_array",
     "jsonb_group_array", "json_group_object", "jsonb_group_object", "json_each", "json_tree",
     "match", "highlight", "bm25", "snippet", "rtreecheck",
     "sqlite_rename_column", "sqlite_rename_table", "sqlite_rename_test", "sqlite_drop_column",
     "sqlite_rename_quotefix"}
)  # fmt: skip
"""Those of the platform; the last ones are what ALTER TABLE does inside, and not for others."""


class Authorizer:
    """The guard of one connection: SQLite asks it of every statement.

    It judges the statements of Workers. Those of rpclab itself are allowed, except for the triggers
    and foreign keys of a Worker that they set off.

    Args:
        transactions: what to use in place of BEGIN and SAVEPOINT, for texts.
        fixed_foreign_keys: `PRAGMA foreign_keys = off` is accepted and changes nothing.

    Attributes:
        text: the statement that a Worker wrote and that runs now; None while none does.
        why: what of it was refused, and what to do; "" for nothing.
        switched: whether a PRAGMA was set since this was last put to False.
    """

    def __init__(self, transactions: str, *, fixed_foreign_keys: bool) -> None:
        self._transactions = transactions
        self._fixed_foreign_keys = fixed_foreign_keys
        self.text: str | None = None
        self.why = ""
        self.switched = False

    def __call__(
        self,
        action: int,
        first: str | None,
        second: str | None,
        database: str | None,
        trigger: str | None,
    ) -> int:
        """Judge one thing that a statement does; SQLite calls this."""
        if self.text is None and trigger is None:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_ALTER_TABLE:
            first, second, database = second, _new_name(self.text or ""), first
        why = self._refusal(action, first or "", second, database)
        if why:
            self.why = self.why or why
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_PRAGMA and second is not None:
            name = (first or "").lower()
            if name == "foreign_keys" and self._fixed_foreign_keys:
                return sqlite3.SQLITE_IGNORE
            self.switched = self.switched or name in SWITCHES
        return sqlite3.SQLITE_OK

    def _refusal(self, action: int, first: str, second: str | None, database: str | None) -> str:
        if action in _FREE:
            return ""
        if action in _TRANSACTIONS:
            return self._transactions
        if action in _OTHER_FILES:
            return "there is one database here: no ATTACH, and no VACUUM, which SQLite makes of it"
        if action == sqlite3.SQLITE_PRAGMA:
            return _about_pragma(first.lower(), second)
        if action == sqlite3.SQLITE_FUNCTION:
            name = (second or "").lower()
            return "" if name in _FUNCTIONS else f"the platform does not have the function {name}()"
        names = _named(action, first, second)
        if names is None or database not in (None, "main"):
            # SQLite itself looks into the schema of temporary things where it renames a table.
            if database == "temp" and action in (sqlite3.SQLITE_READ, sqlite3.SQLITE_UPDATE):
                return ""
            return "the platform has no temporary tables, views, indexes or triggers"
        if action in _VIRTUAL and (second or "").lower() not in _MODULES:
            return f"of virtual tables the platform has {', '.join(sorted(_MODULES))}"
        return _about_names(*names)


def _named(action: int, first: str, second: str | None) -> tuple[str, ...] | None:
    """Give the names that an action concerns; None for an action that is refused as a whole."""
    if action in _NAMES_ONE or action in _VIRTUAL:
        return (first,)
    if action in _NAMES_TWO or action == sqlite3.SQLITE_ALTER_TABLE:
        return (first, second or "")
    return None


def _about_names(*names: str) -> str:
    for name in names:
        lowered = name.lower()
        if lowered.startswith("_cf_"):
            return f"the name {name} is not for SQL: what begins with _cf_ belongs to the platform"
        if lowered in _INTERNAL_TABLES:
            return f"the platform has no table {name}"
    return ""


def _about_pragma(name: str, value: str | None) -> str:
    if name in SWITCHES:
        if value is None or _ON_OR_OFF.fullmatch(value):
            return ""
        return f"PRAGMA {name} is on or off"
    if name in _FIGURES:
        return "" if value is None else f"PRAGMA {name} can be read, and not set"
    if name in _ABOUT_TABLES:
        return _about_names(value or "")
    return f"of PRAGMA the platform has these: {', '.join(_PRAGMAS)}"


def _new_name(text: str) -> str:
    """Find the name that ALTER TABLE gives a table, which SQLite does not tell."""
    before = ["", ""]
    for token in tokens(text):
        if before == ["RENAME", "TO"]:
            return token.text.strip("'\"`[]")
        before = [before[1], token.text.upper()]
    return ""
