"""Signatures of https://www.standardwebhooks.com, symmetric: HMAC-SHA256 with a secret that both sides keep."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode

PREFIX = "whsec_"


def new_secret() -> str:
    """32 random bytes."""
    return PREFIX + b64encode(secrets.token_bytes(32)).decode()


def signed_headers(secret: str, message_id: str, timestamp: int, payload: bytes) -> dict[str, str]:
    """The three headers that let a receiver check who sent the payload and when, and drop a message that comes twice."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), payload))
    digest = hmac.digest(b64decode(secret.removeprefix(PREFIX)), signed, hashlib.sha256)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{b64encode(digest).decode()}"}
