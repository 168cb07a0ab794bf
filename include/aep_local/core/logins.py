"""Ways to log in to a source, and the JSON schema of what each asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_SECRETS = frozenset(
    {
        "accessToken",
        "clientSecret",
        "connectionString",
        "developerToken",
        "password",
        "refreshToken",
        "securityToken",
        "servicePrincipalKey",
    }
)
_TYPES: dict[str, Any] = {"port": ["integer", "string"], "enableSsl": "boolean"}


@dataclass(frozen=True)
class Login:
    """One way to log in to a source.

    :param name: as in ``auth.specName``.
    :param kind: as in the specification's ``type``.
    :param required: the mandatory parameters.
    :param optional: the others.
    """

    name: str
    kind: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The JSON schema of its parameters; ``format: password`` marks what is secret."""
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {name: _property(name) for name in (*self.required, *self.optional)},
            "required": list(self.required),
        }


def _property(name: str) -> Schema:
    kind = _TYPES.get(name, "string")
    schema: Schema = {"title": name, "type": kind}
    if kind == "string":
        schema["minLength"] = 1
    return schema | ({"format": "password"} if name in _SECRETS else {})


def basic(*required: str, optional: tuple[str, ...] = (), name: str = "Basic Authentication") -> Login:
    return Login(name, "basicAuth", required, optional)


def connection_string(name: str = "Connection String Based Authentication") -> Login:
    return Login(name, "connectionStringAuth", ("connectionString",))


def principal(name: str, *required: str) -> Login:
    return Login(name, "servicePrincipalAuth", (*required, "servicePrincipalId", "servicePrincipalKey"))
