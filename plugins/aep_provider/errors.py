"""Everything that can go wrong, as one tree::

    AepError                        ambiguous: it may have been carried out; final: repeating cannot help
    ├── AepConfigError              what was given is wrong; nothing was sent
    ├── AepTransportError           no answer
    │   ├── AepConnectError         AEP was never reached, so nothing was carried out
    │   └── AepAnswerLostError      the request was sent, the answer never came
    ├── AepAnswerError              the answer is not what it should be: HTML, cut JSON, a redirect, another type
    ├── AepApiError                 AEP refused: status, code, number, title, detail, request_id, method, path
    │   ├── AepAuthenticationError  401, or Adobe's identity service (IMS) refuses the client id or secret
    │   ├── AepPermissionError      403
    │   ├── AepSandboxError         the sandbox is missing, unknown or not allowed
    │   ├── AepNotFoundError        404
    │   ├── AepConflictError        409
    │   ├── AepPreconditionError    412: someone else changed the object in between
    │   ├── AepInvalidRequestError  400, 406, 415, 422 and every other 4xx
    │   ├── AepThrottledError       429; retry_after
    │   └── AepServerError          5xx and 408
    ├── AepDifferenceError          an object of that name exists, with another definition
    ├── AepDuplicateError           several objects of that name exist, and none can be preferred
    └── AepRunError                 a flow run
        ├── AepRunFailedError       failed
        ├── AepRunPartialError      succeeded, but rejected rows
        ├── AepRunEmptyError        succeeded without a row, where that is not accepted
        ├── AepRunAbsentError       has not appeared
        └── AepRunTimeoutError      did not end in time

``str(error)`` is one line without control characters: what happened, where, AEP's own code and words, the request id
and, where it is known, how to mend it. No error ever carries a token, a secret, a header or a query string.
"""

from __future__ import annotations

import unicodedata
from typing import Any, Self, TypeVar

__all__ = [
    "AepAnswerError",
    "AepAnswerLostError",
    "AepApiError",
    "AepAuthenticationError",
    "AepConfigError",
    "AepConflictError",
    "AepConnectError",
    "AepDifferenceError",
    "AepDuplicateError",
    "AepError",
    "AepInvalidRequestError",
    "AepNotFoundError",
    "AepPermissionError",
    "AepPreconditionError",
    "AepRunAbsentError",
    "AepRunEmptyError",
    "AepRunError",
    "AepRunFailedError",
    "AepRunPartialError",
    "AepRunTimeoutError",
    "AepSandboxError",
    "AepServerError",
    "AepThrottledError",
    "AepTransportError",
]

_E = TypeVar("_E", bound="AepError")

MAX_DETAIL = 500
"""Characters kept of a text that came from outside."""
MAX_LINE = 2000
"""Characters kept of a whole message."""


def one_line(text: object, limit: int = MAX_LINE) -> str:
    """``text`` on one line, without control and direction characters, at most ``limit`` characters long."""
    # Cut first: what came from outside may be megabytes long, and only its beginning is kept anyway.
    start = str(text)[: limit * 4]
    printable = "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else char for char in start)
    line = " ".join(printable.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class AepError(Exception):
    """Anything that goes wrong between this package and AEP.

    :param message: what happened, without AEP's own words and without secrets.
    :param hint: how to mend it; by default what the class knows.
    :param method: HTTP method of the request concerned.
    :param path: its path; a query string is cut off.
    :param sandbox: the sandbox it was sent to.
    :param request_id: the id under which Adobe's support finds the request.
    :param ambiguous: the request may have been carried out, so look before sending it again.
    :param final: sending it again cannot help.
    """

    ambiguous: bool = False
    final: bool = False
    hint: str | None = None

    def __init__(
        self,
        message: str = "",
        *,
        hint: str | None = None,
        method: str | None = None,
        path: str | None = None,
        sandbox: str | None = None,
        request_id: str | None = None,
        ambiguous: bool | None = None,
        final: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        self.path = path.partition("?")[0].partition("#")[0] if path else path
        self.sandbox = sandbox
        self.request_id = request_id
        if hint is not None:
            self.hint = hint
        if ambiguous is not None:
            self.ambiguous = ambiguous
        if final is not None:
            self.final = final

    def _what(self) -> str:
        return self.message or type(self).__name__

    def _where(self) -> str:
        call = f"{self.method} {self.path}" if self.method and self.path else self.path
        sandbox = f"sandbox {self.sandbox}" if self.sandbox else None
        request_id = f"request id {self.request_id}" if self.request_id else None
        return ", ".join(part for part in (call, sandbox, request_id) if part)

    def __str__(self) -> str:
        where = self._where()
        text = f"{self._what().rstrip('.')} [{where}]" if where else self._what()
        return one_line(f"{text.rstrip('.')}. {self.hint}" if self.hint else text)

    # Exceptions are pickled by calling the class with `args`, which cannot work with keyword-only fields.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, dict(self.__dict__))

    def __copy__(self) -> Self:
        return _restored(type(self), self.args, dict(self.__dict__))


def _restored(kind: type[_E], args: tuple[Any, ...], fields: dict[str, Any]) -> _E:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error


class AepConfigError(AepError):
    """A setting, name, window or definition is wrong. Nothing was sent."""

    final = True


class AepTransportError(AepError):
    """No answer came."""


class AepConnectError(AepTransportError):
    """AEP was never reached, so nothing was carried out."""


class AepAnswerLostError(AepTransportError):
    """The request was sent and its answer never came. Whether a write was carried out is not known."""


class AepAnswerError(AepError):
    """An answer came, and it is not what AEP answers: HTML, cut JSON, a redirect, another type than expected."""


class AepApiError(AepError):
    """AEP refused the request.

    :param status: HTTP status.
    :param code: AEP's code as written, as in ``CONNECTOR-1360-400`` or ``403010``.
    :param number: the number in the code (1360, 403010). Match on this one: the word before it is not certain.
    :param title: AEP's title of the error.
    :param detail: AEP's explanation, shortened.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int,
        code: str | None = None,
        number: int | None = None,
        title: str | None = None,
        detail: str | None = None,
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.status = status
        self.code = code
        self.number = number
        self.title = one_line(title, MAX_DETAIL) if title else None
        self.detail = one_line(detail, MAX_DETAIL) if detail else None

    def _what(self) -> str:
        answer = self.message or "AEP refused"
        words = " - ".join(text for text in (self.title, self.detail) if text)
        code = f" {self.code}" if self.code else ""
        return f"{answer} (HTTP {self.status}{code})" + (f": {words}" if words else "")


class AepAuthenticationError(AepApiError):
    """The client id, secret or token is not accepted."""

    final = True
    hint = (
        "Check login (client id), password (client secret), scopes and ims_org_id of the Airflow connection; "
        "a ready access_token may have expired"
    )


class AepPermissionError(AepApiError):
    """The technical account may not do this."""

    final = True
    hint = (
        "Give the technical account this permission in its product profile (Adobe Admin Console), "
        "for this sandbox too, and see that login is the client id of that account"
    )


class AepSandboxError(AepApiError):
    """The sandbox is missing, unknown or not allowed."""

    final = True
    hint = "Check the sandbox: its name in lower case, not its title, and the account's access to it"


class AepNotFoundError(AepApiError):
    """What was asked for does not exist."""

    final = True


class AepConflictError(AepApiError):
    """It exists already, or something else is in the way. Look it up."""


class AepPreconditionError(AepApiError):
    """Someone else changed the object in between: read it again and decide anew."""


class AepInvalidRequestError(AepApiError):
    """AEP does not accept the request."""

    final = True


class AepThrottledError(AepApiError):
    """Too many requests. Nothing was carried out.

    :param retry_after: seconds after which AEP wants to be asked again, when it says so.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.retry_after = retry_after


class AepServerError(AepApiError):
    """AEP failed. Whether a write was carried out is not known."""


class AepDifferenceError(AepError):
    """An object of that name exists, with another definition than the one wanted."""

    final = True


class AepDuplicateError(AepError):
    """Several objects of that name exist, and none of them can be preferred."""

    final = True


class AepRunError(AepError):
    """A flow run did not do what it should."""


class AepRunFailedError(AepRunError):
    """A flow run failed."""


class AepRunPartialError(AepRunError):
    """A flow run ended well but rejected rows. Repeating it would append the other rows a second time."""

    final = True


class AepRunEmptyError(AepRunError):
    """A flow run ended well and read no row, where an empty run is not accepted."""

    final = True


class AepRunAbsentError(AepRunError):
    """No flow run has appeared where one should have. It may still do so."""


class AepRunTimeoutError(AepRunError):
    """A flow run did not end in time. It may still do so."""
