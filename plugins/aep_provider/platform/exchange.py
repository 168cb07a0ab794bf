"""One call to AEP, without any I/O: what to send, and how to judge what comes back.

What may be sent again follows from one question: can the first sending have been carried out? AEP knows no
idempotency key, so a write whose answer is lost or unclear is never repeated here; whoever asked looks first.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from aep_provider.errors import (
    AepAnswerError,
    AepAnswerLostError,
    AepApiError,
    AepConfigError,
    AepConnectError,
    AepError,
    AepServerError,
    AepThrottledError,
)
from aep_provider.platform.documents import document_in, text_in
from aep_provider.platform.problems import TOKEN_MISSING, hide, refusal
from aep_provider.platform.settings import AepSettings
from aep_provider.platform.wire import (
    OWN_HEADERS,
    Params,
    credentials,
    host_of,
    is_plain_path,
    query_of,
    retry_after,
    secrets_in,
    user_agent,
)

Expect = Literal["json", "text"]

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
BACKOFF_SECONDS: Final = 1.0
BACKOFF_CAP_SECONDS: Final = 30.0
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
READING: Final = frozenset({"GET", "HEAD"})
REPEATABLE: Final = READING | {"DELETE"}
PASSING: Final = frozenset({408, 500, 502, 503, 504})


@dataclass(frozen=True)
class Answer:
    """What AEP answered.

    :param headers: names in lower case.
    :param body: the parsed JSON (the text, where text was asked for), ``None`` for an empty answer.
    :param request_id: the id sent with the request.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    request_id: str


@dataclass(frozen=True)
class Sending:
    """One request as it goes over the wire."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None

    def __repr__(self) -> str:
        return f"Sending({self.method} {urlsplit(self.url).path})"


class Failure(Enum):
    """Why no answer came."""

    UNREACHED = "AEP could not be reached"
    UNTRUSTED = "AEP's certificate is not trusted, so nothing was sent"
    LOST = "The request was sent, but its answer never came"
    TOO_SLOW = "The answer did not end in time"
    TOO_LARGE = "The answer is larger than this client reads"


@dataclass(frozen=True)
class Ok:
    """The call is over and went well."""

    answer: Answer


@dataclass(frozen=True)
class Wait:
    """Send it again after ``seconds``."""

    seconds: float
    error: AepError


@dataclass(frozen=True)
class NewToken:
    """The token is not accepted: get another one and send it again at once."""

    error: AepError


@dataclass(frozen=True)
class Raise:
    """The call is over and failed."""

    error: AepError


Verdict = Ok | Wait | NewToken | Raise


class Exchange:
    """One call, from its first sending to its end.

    :param path: absolute path below the gateway, without a query.
    :param params: query parameters; names may repeat in a list of pairs, ``None`` leaves one out.
    :param etag: sent as ``If-Match``, exactly as AEP gave it (its quotes belong to it).
    :param expect: ``text`` for answers that are no JSON document, such as files of JSON lines.
    :raises AepConfigError: it cannot be sent at all.
    """

    def __init__(
        self,
        settings: AepSettings,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json_body: Any = None,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
        expect: Expect = "json",
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.method = method.upper()
        self.path = path
        self.request_id = str(uuid.uuid4())
        self._settings = settings
        self._expect = expect
        self._clock = clock
        self._jitter = jitter
        self._started = clock()
        self._sent = 0
        self._unclear = False
        self._check()
        self._query = query_of(params)
        self._body = self._encoded(json_body)
        self._headers = self._common_headers(headers or {}, etag)
        self._hidden = {secret for secret in secrets_in(json_body) if len(secret) >= 4}
        self._tokens: set[bytes] = set()

    @property
    def _reads(self) -> bool:
        return self.method in READING

    def _check(self) -> None:
        if self.method not in METHODS:
            raise AepConfigError(f"AEP has no method {self.method!r}", path=self.path)
        if not is_plain_path(self.path):
            raise AepConfigError("This is not a path below the gateway", method=self.method, path=self.path)

    def _encoded(self, document: Any) -> bytes | None:
        if document is None:
            return None
        try:
            return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError):
            pass
        raise AepConfigError("The body cannot be written as JSON", method=self.method, path=self.path)

    def _common_headers(self, wanted: Mapping[str, str], etag: str | None) -> dict[str, str]:
        headers = {
            "Accept": "application/json" if self._expect == "json" else "*/*",
            "User-Agent": user_agent(self._settings.caller),
            "x-request-id": self.request_id,
        }
        if self._body is not None:
            headers["Content-Type"] = "application/json"
        if etag is not None:
            headers["If-Match"] = etag
        for name, value in wanted.items():
            if name.lower() in OWN_HEADERS:
                raise AepConfigError(f"The header {name} is set by the client", method=self.method, path=self.path)
            if name.lower() == "content-type" and self._body is None:
                continue
            headers = {key: kept for key, kept in headers.items() if key.lower() != name.lower()}
            headers[name] = value
        for name, value in headers.items():
            if not name.isascii() or any(not "\x20" <= char <= "\x7e" for char in name + value):
                raise AepConfigError(f"The header {name!r} has a value that HTTP cannot carry", path=self.path)
        return headers

    def sending(self, token: str) -> Sending:
        """The request, to be sent now with ``token``."""
        self._sent += 1
        self._hidden.add(token)
        self._tokens.add(token.encode())
        url = self._settings.gateway + self.path + (f"?{self._query}" if self._query else "")
        return Sending(self.method, url, {**self._headers, **credentials(self._settings, token)}, self._body)

    def answered(self, status: int, headers: Mapping[str, str], content: bytes) -> Verdict:
        """Judge an answer."""
        lowered = {name.lower(): value for name, value in headers.items()}
        # What comes back of a token is read by nobody, and may land where documents do: in logs, in Airflow's database.
        for token in self._tokens:
            content = content.replace(token, b"***")
        if 200 <= status < 300:
            return self._accepted(status, lowered, content)
        if status < 400:
            where = host_of(hide(lowered.get("location"), self._hidden))
            return Raise(self._strange(f"AEP redirects (HTTP {status}) to {where}"))
        asked_to_wait = retry_after(lowered)
        if status >= 500 or status == 408:
            self._unclear = self._unclear or not self._reads
        error = refusal(
            status,
            content,
            method=self.method,
            path=self.path,
            sandbox=self._settings.sandbox,
            request_id=self.request_id,
            retry_after=asked_to_wait,
            ambiguous=self._unclear,
            hidden=self._hidden,
        )
        return self._refused(error, asked_to_wait)

    def failed(self, failure: Failure, reason: str = "") -> Verdict:
        """Judge a sending without a whole answer; ``reason`` is a word of the HTTP library."""
        reasons = ": ".join(part for part in (host_of(self._settings.gateway), reason) if part)
        message = f"{failure.value} ({reasons})"
        where: dict[str, Any] = {
            "method": self.method,
            "path": self.path,
            "sandbox": self._settings.sandbox,
            "request_id": self.request_id,
        }
        if failure is Failure.UNTRUSTED:
            return Raise(AepConnectError(message, final=True, ambiguous=self._unclear, **where))
        if failure is Failure.UNREACHED:
            return self._again(AepConnectError(message, ambiguous=self._unclear, **where), None)
        self._unclear = self._unclear or not self._reads
        if failure is Failure.TOO_LARGE:
            return Raise(AepAnswerError(message, ambiguous=self._unclear, **where))
        lost = AepAnswerLostError(message, ambiguous=self._unclear, **where)
        return self._again(lost, None) if self.method in REPEATABLE else Raise(lost)

    def _accepted(self, status: int, headers: dict[str, str], content: bytes) -> Verdict:
        if not content.strip() or self.method == "HEAD":
            if self.method == "GET" and status == 200 and self._expect == "json":
                return self._again(self._strange("AEP's answer is empty"), None)
            return Ok(Answer(status, headers, None, self.request_id))
        try:
            body = document_in(content) if self._expect == "json" else text_in(content)
        except ValueError as error:
            kind = hide(headers.get("content-type", "no content type").partition(";")[0], self._hidden)
            strange = self._strange(f"AEP's answer (HTTP {status}, {kind}) {error}")
            # A gateway on the way may have said it.
            return self._again(strange, None) if self._reads else Raise(strange)
        return Ok(Answer(status, headers, body, self.request_id))

    def _refused(self, error: AepApiError, asked_to_wait: float | None) -> Verdict:
        rejected = error.status == 401 or error.number == TOKEN_MISSING
        if rejected:
            # A token may be revoked just after it was got; who is not let in at all is refused again and again.
            renewable = self._settings.access_token is None and self._sent < self._settings.attempts
            return NewToken(error) if renewable else Raise(error)
        if isinstance(error, AepThrottledError):
            return self._again(error, asked_to_wait)
        if isinstance(error, AepServerError) and error.status in PASSING and self.method in REPEATABLE:
            return self._again(error, asked_to_wait)
        return Raise(error)

    def _again(self, error: AepError, asked_to_wait: float | None) -> Verdict:
        seconds = self._jitter(0, min(BACKOFF_CAP_SECONDS, BACKOFF_SECONDS * 2 ** (self._sent - 1)))
        if asked_to_wait:
            # Everyone was told the same number; a little more of it keeps them from coming back together.
            seconds = asked_to_wait + self._jitter(0, asked_to_wait / 10)
        spent = self._clock() - self._started
        if self._sent >= self._settings.attempts or spent + seconds > self._settings.retry_budget_seconds:
            return Raise(error)
        return Wait(seconds, error)

    def _strange(self, message: str) -> AepAnswerError:
        return AepAnswerError(
            message,
            method=self.method,
            path=self.path,
            sandbox=self._settings.sandbox,
            request_id=self.request_id,
            ambiguous=not self._reads,
        )
