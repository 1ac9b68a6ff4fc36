"""Signs as the chat platform does, for trying the bot without one.

Its key is here for all to see. A real bot gets the public key of its platform, and no private one.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"rpclab's chatbot demo").digest())
PUBLIC_KEY = KEY.public_key().public_bytes_raw().hex()

PING = {"type": 1}


def command(name: str, text: str = "", *, token: str = "a-token") -> dict[str, Any]:
    """Make the interaction of a user who types `/name text`.

    Args:
        name: of the command.
        text: what stands behind it.
        token: what a message that follows later belongs to.
    """
    options = [{"type": 3, "name": "text", "value": text}] if text else []
    return {"type": 2, "token": token, "data": {"name": name, "options": options}}


def signed(
    interaction: Any, *, at: float | None = None, key: Ed25519PrivateKey = KEY
) -> dict[str, Any]:
    """Make what `fetch` takes: an interaction as the platform sends it.

    Args:
        interaction: what is sent; a JSON value.
        at: when it is signed, in seconds since 1970; now, unless given.
        key: what it is signed with.
    """
    body = json.dumps(interaction).encode()
    timestamp = str(int(time.time() if at is None else at))
    headers = {
        "content-type": "application/json",
        "x-signature-ed25519": key.sign(timestamp.encode() + body).hex(),
        "x-signature-timestamp": timestamp,
    }
    return {"method": "POST", "headers": headers, "body": body}
