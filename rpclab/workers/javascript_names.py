"""JavaScript's spellings of what has a Python name: the one table of aliases.

Floor: workers.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T", bound=type)

PYTHON_NAMES = {
    "blockConcurrencyWhile": "block_concurrency_while",
    "cacheTtl": "cache_ttl",
    "columnNames": "column_names",
    "databaseSize": "database_size",
    "deleteAlarm": "delete_alarm",
    "deleteAll": "delete_all",
    "expirationTtl": "expiration_ttl",
    "getAlarm": "get_alarm",
    "getByName": "get_by_name",
    "getWithMetadata": "get_with_metadata",
    "idFromName": "id_from_name",
    "idFromString": "id_from_string",
    "newUniqueId": "new_unique_id",
    "rowsRead": "rows_read",
    "rowsWritten": "rows_written",
    "setAlarm": "set_alarm",
    "toArray": "to_array",
    "transactionSync": "transaction_sync",
    "getBookmark": "get_bookmark",
    "arrayBuffer": "buffer",
    "bodyUsed": "body_used",
    "formData": "form_data",
    "getAll": "get_all",
    "getSetCookie": "get_set_cookie",
    "lastModified": "last_modified",
    "passThroughOnException": "pass_through_on_exception",
    "canParse": "can_parse",
    "searchParams": "search_params",
    "statusText": "status_text",
    "toJSON": "to_json",
    "toString": "to_string",
    "waitUntil": "wait_until",
    "withSession": "with_session",
}
"""By the spelling in JavaScript, the name in Python."""


def also_in_javascript(kind: T) -> T:
    """Give a class the JavaScript spellings of its methods."""
    for alias, name in PYTHON_NAMES.items():
        if name in vars(kind):
            setattr(kind, alias, vars(kind)[name])
    return kind
