"""
Judging by JSON schemas that AEP sends.

Such a schema may demand anything. What would have this machine ask another one, or take time out of all proportion, is left
for AEP to judge: references, which may also lead in a circle, and patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, ValidationError

from aep_provider.errors import AepAnswerError

MOST_PARTS: Final = 2000
"""Of a schema. Those of AEP have some dozens."""
_LEFT_TO_AEP: Final = frozenset({"$ref", "$id", "pattern", "patternProperties"})


def violations(schema: Mapping[str, Any], value: Any, where: str) -> list[ValidationError]:
    """
    Return what of a value is not as a schema demands.

    :param where: what the schema is for, as messages call it.
    :raises AepAnswerError: it is no JSON schema, or a larger one than can be judged by.
    """
    try:
        judged = _Reduced(where).of(schema)
        Draft7Validator.check_schema(judged)
        return list(Draft7Validator(judged).iter_errors(value))
    except AepAnswerError:
        raise
    except SchemaError as error:
        why = error.message[:300]
    # What a schema can bring the validator to raise is nowhere said.
    except Exception as error:
        why = type(error).__name__
    raise AepAnswerError(f"AEP's JSON schema for {where} is not valid: {why}")


class _Reduced:
    def __init__(self, where: str) -> None:
        self._where = where
        self._parts = 0

    def of(self, part: Any) -> Any:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise AepAnswerError(f"AEP's JSON schema for {self._where} has more than {MOST_PARTS} parts")
        if isinstance(part, Mapping):
            return {name: self.of(inner) for name, inner in part.items() if name not in _LEFT_TO_AEP}
        if isinstance(part, Sequence) and not isinstance(part, str):
            return [self.of(inner) for inner in part]
        return part
