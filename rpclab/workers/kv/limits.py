"""How large things in KV may be.

Floor: workers. From https://developers.cloudflare.com/kv/platform/limits/ and, where that is
silent, from what `workerd` refuses.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KVLimits:
    """The bounds of a namespace; the platform's, unless others are given.

    Attributes:
        key_bytes: of a key, in UTF-8.
        value_bytes: of a value; and of all those that one `get` of several keys gives.
        metadata_bytes: of the metadata of a key, written as JSON.
        keys_listed: how many keys one `list` gives at most.
        keys_read: how many keys one `get` takes at most.
        least_ttl: seconds that a key lives at least, if it expires.
        least_cache_ttl: the least `cache_ttl` of a `get`, in seconds.
        invocation_requests: how often one invocation of a Worker asks D1 and KV; the free plan
            has 50. A `get` of several keys is one request.
    """

    key_bytes: int = 512
    value_bytes: int = 25 * 1024 * 1024
    metadata_bytes: int = 1024
    keys_listed: int = 1000
    keys_read: int = 100
    least_ttl: int = 60
    least_cache_ttl: int = 30
    invocation_requests: int = 1000


DEFAULT_LIMITS = KVLimits()
