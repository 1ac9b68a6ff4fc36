"""Is a request what the platform sent, and is it fresh?

The platform signs the time and the body with Ed25519, and sends both the time and the signature in
headers.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from workers import Headers

FRESH = 5 * 60  # seconds; what is older may be a recording that somebody plays again


def is_genuine(headers: Headers, body: bytes, public_key: str, *, now: float) -> bool:
    """Whether a request is signed with the platform's key, and not long ago.

    Args:
        headers: of the request.
        body: its bytes, as they came.
        public_key: 32 bytes in hexadecimal digits.
        now: the time, in seconds since 1970.
    """
    timestamp = headers.get("x-signature-timestamp", "")
    try:
        signature = bytes.fromhex(headers.get("x-signature-ed25519", ""))
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(signature, timestamp.encode() + body)
        # Only what is signed is believed, the time too.
        return abs(now - int(timestamp)) <= FRESH
    except (InvalidSignature, ValueError):
        return False
