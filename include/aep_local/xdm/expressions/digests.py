"""Functions that hash texts and take addresses (URLs) apart."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from aep_local.xdm.expressions.signatures import BOOLEAN, TEXT, Category, bounded
from aep_local.xdm.values import Refused

_Part = TypeVar("_Part")

HASHES: Final = Category("Hashing")
ADDRESSES: Final = Category("URL")

_CHARSETS: Final = {"UTF-8": "utf-8", "UTF-16": "utf-16-be", "ISO-8859-1": "latin-1", "US-ASCII": "ascii"}
_PORTS: Final = {"http": 80, "https": 443, "ftp": 21, "sftp": 22, "ssh": 22}


def _encoded(text: str, charset: str) -> bytes:
    name = charset.upper()
    if name not in _CHARSETS:
        raise Refused(f"the charset is none of {', '.join(_CHARSETS)}")
    mark = b"\xfe\xff" if name == "UTF-16" else b""
    return mark + text.encode(_CHARSETS[name], "replace")


def _hash(name: str) -> None:
    def body(text: str, charset: str = "UTF-8") -> str:
        # what a mapping asks for, not what protects anything
        return hashlib.new(name, _encoded(text, charset), usedforsecurity=False).hexdigest()

    body.__doc__ = f"{name}(text, charset): the digest in hexadecimal digits; the charset is UTF-8 when not given."
    HASHES.add(name, takes=(TEXT, TEXT), optional=1)(body)


for _name in ("md5", "sha1", "sha256", "sha512"):
    _hash(_name)


@HASHES.add("crc32", takes=(TEXT, TEXT), optional=1)
def _crc32(text: str, charset: str = "UTF-8") -> str:
    """crc32(text, charset): the check sum in hexadecimal digits; the charset is UTF-8 when not given."""
    # the bytes come least first, as in Data Prep's example
    return zlib.crc32(_encoded(text, charset)).to_bytes(4, "little").hex()


@ADDRESSES.add("get_url_protocol", takes=(TEXT,))
def _protocol(address: str) -> str | None:
    """get_url_protocol(url): what stands before the colon; null when it is no URL."""
    return _part(address, lambda split: split.scheme)


@ADDRESSES.add("get_url_host", takes=(TEXT,))
def _host(address: str) -> str | None:
    """get_url_host(url): the host; null when it is no URL."""
    return _part(address, lambda split: split.hostname)


@ADDRESSES.add("get_url_port", takes=(TEXT,))
def _port(address: str) -> int | None:
    """get_url_port(url): the port, or the protocol's usual one; null when it is no URL."""
    return _part(address, lambda split: split.port or _PORTS.get(split.scheme))


@ADDRESSES.add("get_url_path", takes=(TEXT, BOOLEAN), optional=1)
def _path(address: str, full: bool = True) -> str | None:
    """get_url_path(url, full): the path, or with false only its last part; null when it is no URL."""
    path = _part(address, lambda split: split.path)
    return path if path is None or full else path.rstrip("/").rpartition("/")[2]


@ADDRESSES.add("get_url_query_str", takes=(TEXT, TEXT))
def _query(address: str, anchor: str) -> dict[str, str] | None:
    """get_url_query_str(url, anchor): the query as an object; what becomes of the anchor: retain, remove, append."""
    if anchor not in {"retain", "remove", "append"}:
        raise Refused("the anchor must be retain, remove or append")
    split = _split(address)
    if split is None:
        return None
    text = f"{split.query}#{split.fragment}" if anchor == "retain" and split.fragment else split.query
    try:
        found = dict(parse_qsl(text, keep_blank_values=True))
    except ValueError:
        raise Refused("the query cannot be read") from None
    if anchor == "append" and split.fragment:
        found["_anchor_"] = split.fragment
    return found


@ADDRESSES.add("get_url_encoded", takes=(TEXT,))
def _url_encoded(address: str) -> str:
    """get_url_encoded(text): special characters as %XX."""
    bounded(len(address) * 3)
    return quote(address, safe="", errors="replace")


@ADDRESSES.add("get_url_decoded", takes=(TEXT,))
def _url_decoded(address: str) -> str:
    """get_url_decoded(text): %XX as the characters that they stand for."""
    return unquote(address)


def _split(address: str) -> SplitResult | None:
    try:
        split = urlsplit(address)
    except ValueError:
        return None
    return split if split.scheme else None


def _part(address: str, take: Callable[[SplitResult], _Part | None]) -> _Part | None:
    split = _split(address)
    try:
        return None if split is None else take(split)
    except ValueError:
        # a port that is no number shows only when it is asked for
        return None
