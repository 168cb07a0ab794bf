"""Where AEP is and who asks: one frozen model."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from aep_provider.errors import AepConfigError, one_line

DEFAULT_GATEWAY: Final = "https://platform.adobe.io"
DEFAULT_TOKEN_URL: Final = "https://ims-na1.adobelogin.com/ims/token/v3"  # noqa: S105 - an address, not a secret
DEFAULT_SCOPES: Final = "openid,AdobeID,read_organizations,additional_info.projectedProductContext,session"
GATEWAY_DOMAIN: Final = "adobe.io"
TOKEN_DOMAIN: Final = "adobelogin.com"  # noqa: S105 - a domain, not a secret


class AepSettings(BaseModel):
    """Where AEP is, who asks, and how patient the client is.

    Build it with :meth:`parse`, which tells every mistake at once and echoes no secret.
    Times are in seconds. ``access_token`` is used instead of client credentials and cannot be renewed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    allowed_token_hosts: tuple[str, ...] = ()
    """Hosts besides Adobe's and this machine that may be sent a token or the client secret."""
    gateway: str = DEFAULT_GATEWAY
    ims_org_id: str
    client_id: str
    client_secret: SecretStr | None = None
    access_token: SecretStr | None = Field(default=None, validate_default=True)
    sandbox: str = "prod"
    token_url: str = DEFAULT_TOKEN_URL
    scopes: str = DEFAULT_SCOPES
    connect_timeout: float = Field(default=10, gt=0, le=600)
    read_timeout: float = Field(default=60, gt=0, le=3600)
    """The longest silence within an answer."""
    answer_timeout: float = Field(default=300, gt=0, le=7200)
    """The longest time for a whole answer."""
    attempts: int = Field(default=5, ge=1, le=20)
    retry_budget_seconds: float = Field(default=120, ge=0, le=3600)
    """How long one call may take with all its repetitions before no further one starts."""
    requests_at_once: int = Field(default=16, ge=1, le=100)
    """How many requests a process has under way for one account."""
    requests_per_second: float | None = Field(default=None, gt=0, le=1000)
    """How many it begins within a second; None leaves it to ``requests_at_once``."""
    caller: str = ""
    """Who asks, for the User-Agent."""

    @classmethod
    def parse(cls, **values: Any) -> Self:
        """The settings, or one :class:`AepConfigError` that lists all that is wrong with them."""
        try:
            return cls(**values)
        except ValidationError as invalid:
            problems = [
                f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
                for problem in invalid.errors(include_url=False, include_input=False, include_context=False)
            ]
        # Raised out here so that pydantic's error, which holds the values, is not chained to it.
        raise AepConfigError("The AEP settings are wrong: " + one_line("; ".join(problems)))

    @field_validator("client_secret", "access_token")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value().strip():
            return None
        secret = value.get_secret_value().strip()
        _check_header(secret)
        return SecretStr(secret)

    @field_validator("access_token")
    @classmethod
    def _one_of_two(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("client_secret", "wrong, and told already") is None:
            raise ValueError("a client_secret or a ready access_token is needed")
        return value

    @field_validator("ims_org_id", "client_id")
    @classmethod
    def _header(cls, value: str) -> str:
        if not value:
            raise ValueError("must not be empty")
        _check_header(value)
        return value

    @field_validator("sandbox")
    @classmethod
    def _sandbox(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", value):
            raise ValueError("must be the sandbox's name: lower case letters, digits and hyphens")
        return value

    @field_validator("scopes")
    @classmethod
    def _scopes(cls, value: str) -> str:
        scopes = ",".join(part for part in re.split(r"[\s,]+", value) if part)
        if not scopes:
            raise ValueError("must name at least one scope")
        return scopes

    @field_validator("caller")
    @classmethod
    def _caller(cls, value: str) -> str:
        return re.sub(r"[^\x20-\x7e]", "", value)[:200]

    @field_validator("gateway")
    @classmethod
    def _gateway(cls, value: str, info: ValidationInfo) -> str:
        address = checked_address(value)
        _check_host(address, GATEWAY_DOMAIN, info)
        if address.path not in {"", "/"}:
            raise ValueError("must not have a path; the paths of AEP's services are added to it")
        return origin_of(address)

    @field_validator("allowed_token_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.strip().lower() for host in value if host.strip())

    @field_validator("token_url")
    @classmethod
    def _token_url(cls, value: str, info: ValidationInfo) -> str:
        address = checked_address(value)
        _check_host(address, TOKEN_DOMAIN, info)
        return address.geturl()


def _check_header(value: str) -> None:
    # The HTTP libraries refuse such values too, but they quote them in their messages.
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise ValueError("must be printable ASCII without blanks")


def _check_host(address: SplitResult, domain: str, info: ValidationInfo) -> None:
    # Who may edit a connection may not see its secrets; sending them to a host of one's own would show them.
    host = (address.hostname or "").lower()
    known = host == domain or host.endswith(f".{domain}") or is_loopback(host)
    if not known and host not in info.data.get("allowed_token_hosts", ()):
        raise ValueError(
            f"must be on {domain} or this machine; other hosts that may be sent credentials are listed as "
            "allowed_token_hosts in Airflow's configuration, not in the connection"
        )


def checked_address(value: str) -> SplitResult:
    """The parts of an address that a token or a secret may be sent to; ``ValueError`` says why not."""
    if re.search(r"[^\x21-\x7e]|\\", value):
        raise ValueError("must be a plain URL without blanks, backslashes and other than ASCII characters")
    try:
        address = urlsplit(value if "://" in value else f"https://{value}")
        port = address.port
    except ValueError:
        raise ValueError("is not a URL") from None
    host = address.hostname or ""
    if "@" in address.netloc:
        raise ValueError("must not contain a user or password")
    if address.query or address.fragment or value.endswith(("?", "#")):
        raise ValueError("must not contain a query or fragment")
    if port == 0 or not (re.fullmatch(r"[a-zA-Z0-9._-]+", host) or ":" in host):
        raise ValueError("needs a host")
    if address.scheme not in {"https", "http"}:
        raise ValueError("must begin with https://")
    if address.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https://; http:// is for this machine only")
    return address


def is_loopback(host: str) -> bool:
    """Whether ``host``, as it stands in a URL, can be no other machine than this one."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address in ipaddress.ip_network("127.0.0.0/8") if address.version == 4 else address == _LOOPBACK_6


_LOOPBACK_6: Final = ipaddress.IPv6Address("::1")


def origin_of(address: SplitResult) -> str:
    """Scheme, host and port, written the one way in which origins can be compared."""
    host = (address.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}.get(address.scheme)
    port = "" if address.port in {None, default} else f":{address.port}"
    return f"{address.scheme}://{host}{port}"
