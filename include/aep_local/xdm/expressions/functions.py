"""The catalogue: every function of the language by name, and what is said about a name that is none of them.

:data:`FUNCTIONS` is made of the categories under which Data Prep documents them: texts, digests and addresses
(:mod:`.texts`, :mod:`.digests`), dates (:mod:`.dates`), hierarchies, choices, numbers (:mod:`.hierarchies`,
:mod:`.numbers`). :data:`ELSEWHERE` names what Data Prep has and the local platform does not serve.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from aep_local.xdm.expressions import dates, digests, hierarchies, numbers, texts
from aep_local.xdm.expressions.nodes import Literal, Node
from aep_local.xdm.expressions.signatures import Function

FUNCTIONS: Final[dict[str, Function]] = {
    **texts.STRINGS.functions,
    **texts.PATTERNS.functions,
    **digests.HASHES.functions,
    **digests.ADDRESSES.functions,
    **dates.DATES.functions,
    **hierarchies.OBJECTS.functions,
    **hierarchies.ARRAYS.functions,
    **hierarchies.CHOICES.functions,
    **numbers.AGGREGATION.functions,
    **numbers.CONVERSIONS.functions,
    **hierarchies.SPECIAL.functions,
}

METHODS: Final = frozenset({"equals", "equalsIgnoreCase", "get"})
"""What may be called with a dot: ``"a".equals(b)``."""

PATH_FUNCTIONS: Final = frozenset({"contains_key", "is_set"})
"""Functions of a path in the source, written as quoted text."""

_NOT_SERVED: Final = (
    "ua_os_name ua_os_version_major ua_os_version ua_os_name_version ua_agent_version ua_agent_version_major "
    "ua_agent_name ua_device_class fpid_to_ecid map_get_values map_has_keys add_to_map object_to_map array_to_string "
    "filterArray transformArray flattenArray"
)
ELSEWHERE: Final = frozenset(_NOT_SERVED.split())
"""Functions of Data Prep that are not served here."""

_HABITS: Final = {
    "nullif": "iif(a == b, null, a)",
    "ifnull": "coalesce",
    "nvl": "coalesce",
    "if": "iif",
    "replace": "replacestr",
    "substring": "substr",
    "length": "size_of",
    "len": "size_of",
    "to_boolean": "nothing: a text lands in a boolean field by itself",
    "to_date": "date",
    "to_string": "concat",
    "cast": "to_integer, to_decimal",
}
"""What other languages call it, and what to write instead."""


_LONGEST: Final = 60
"""Characters of an unknown name that a message shows."""


def is_function(name: str) -> bool:
    """Whether this is a function's name, also of one that is not served here."""
    return name in FUNCTIONS or name in ELSEWHERE


def check_call(name: str, arguments: Sequence[Node]) -> str | None:
    """What is wrong with a call, None when nothing is."""
    function = FUNCTIONS.get(name)
    if function is None:
        return _unknown(name)
    wrong = function.counted(len(arguments))
    if wrong is not None:
        return wrong
    if name in PATH_FUNCTIONS and not (isinstance(arguments[0], Literal) and isinstance(arguments[0].value, str)):
        return f"the function {name} takes a path as quoted text"
    return None


def _unknown(name: str) -> str:
    if name in ELSEWHERE:
        return f"the function {name} is not served by this platform, although Data Prep has it"
    if name in _HABITS:
        return f"the function {name} does not exist; write {_HABITS[name]}"
    if len(name) > _LONGEST:
        return f"the function {name[:_LONGEST]}… does not exist"
    near = difflib.get_close_matches(name.lower(), FUNCTIONS, n=3, cutoff=0.6)
    return f"the function {name} does not exist" + (f"; near names: {', '.join(near)}" if near else "")
