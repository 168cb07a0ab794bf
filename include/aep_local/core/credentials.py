"""Source credentials: checked against the accounts file, kept as salted hashes, shown masked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, Final

from aep_local.core.accounts import Accounts, SourceCredential
from aep_local.core.documents import INTERNAL
from aep_local.core.specs import auth_spec, connection_spec
from aep_local.core.store import Document

MASK: Final = "******"
_COST = 2**13


def sealed(spec: Document, auth: Document, before: Document | None = None) -> tuple[Document, dict[str, str]]:
    """Split ``auth`` into what may be kept and shown, and the hashes of its secrets.

    Secret is what the auth specification marks with ``format: password`` and everything that it does not know.

    :param before: the connection as it was; where a secret comes back masked, its hash stays.
    """
    plain = _plain_names(spec, auth)
    kept = before[INTERNAL]["secrets"] if before else {}
    hashes: dict[str, str] = {}
    shown: Document = {}
    for name, value in auth.get("params", {}).items():
        if name in plain:
            shown[name] = value
            continue
        shown[name] = MASK
        hashes[name] = kept[name] if value == MASK and name in kept else _hash(_as_text(value))
    return {**auth, "params": shown}, hashes


def accepted(accounts: Accounts, connection: Document) -> bool:
    """Whether the source system would let a stored base connection in.

    :param connection: the document as stored, with its hashes.
    """
    if accounts.open:
        return True
    spec = connection_spec(connection["connectionSpec"]["id"])
    names = {spec["id"], spec["name"]} if spec else set()
    return any(each.connector in names and _fits(each, connection) for each in accounts.source_credentials)


def _fits(credential: SourceCredential, connection: Document) -> bool:
    params, hashes = connection["auth"]["params"], connection[INTERNAL]["secrets"]
    for name, expected in credential.params.items():
        value = expected.get_secret_value()
        if name in hashes:
            if not _matches(value, hashes[name]):
                return False
        elif _as_text(params.get(name)) != value:
            return False
    return True


def _plain_names(spec: Document, auth: Document) -> set[str]:
    described = auth_spec(spec, auth.get("specName", ""))
    properties = described["spec"]["properties"] if described else {}
    return {name for name, schema in properties.items() if schema.get("format") != "password"}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _hash(value: str) -> str:
    salt = secrets.token_bytes(16)
    return base64.b64encode(salt + _derive(value, salt)).decode()


def _matches(value: str, kept: str) -> bool:
    raw = base64.b64decode(kept)
    return hmac.compare_digest(_derive(value, raw[:16]), raw[16:])


def _derive(value: str, salt: bytes) -> bytes:
    return hashlib.scrypt(value.encode(), salt=salt, n=_COST, r=8, p=1)
