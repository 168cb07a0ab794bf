"""A whole answer, before it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import JSONResponse, Response

from aep_local.core.problems import Problem


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> Answer:
        """What a response is, once it is sent."""
        return cls(response.status_code, tuple(response.raw_headers), bytes(response.body))

    @classmethod
    def refusing(cls, problem: Problem) -> Answer:
        """What a service answers when it fails."""
        return cls.of(JSONResponse(problem.body, status_code=problem.status, headers=problem.headers))

    def with_body(self, body: bytes) -> Answer:
        """The same answer with another body, and the length of that."""
        kept = [(name, value) for name, value in self.headers if name not in {b"content-length", b"transfer-encoding"}]
        return replace(self, headers=(*kept, (b"content-length", str(len(body)).encode())), body=body)

    def with_content(self, content: Any) -> Answer:
        """The same answer with another JSON document in its body."""
        return self.with_body(json.dumps(content).encode())

    @property
    def content(self) -> Any:
        """The JSON document in its body; None when there is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None
