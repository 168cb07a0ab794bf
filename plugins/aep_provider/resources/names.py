"""Names that AEP's filters can find again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

from aep_provider.errors import AepConfigError

# In a filter of AEP a comma means OR, and the others end the value or the parameter.
FORBIDDEN = {
    ",": "a comma",
    "&": "an ampersand (&)",
    "=": "an equals sign (=)",
    "<": "a less-than sign (<)",
    ">": "a greater-than sign (>)",
    '"': 'a double quote (")',
    "'": "a single quote (')",
}
LONGEST = 200


def check_name(name: object, what: str) -> str:
    """
    Return ``name`` if AEP's filters can find an object by it.

    :param name: the name of an object in AEP.
    :param what: what the name is for, as the message should call it: ``"name of the dataflow"``.
    :raises AepConfigError: if it is empty, too long, has blanks at an end, or holds a character that filters use.
    """
    if not isinstance(name, str) or not name.strip():
        raise AepConfigError(f"The {what} is empty: give it a name.")
    if name != name.strip():
        raise AepConfigError(f"The {what} {name!r} begins or ends with a blank: take it out.")
    for character, spoken in FORBIDDEN.items():
        if character in name:
            raise AepConfigError(
                f"The {what} {name!r} holds {spoken}, with which AEP's filters cannot find it again: "
                "use letters, digits, blanks, '-', '_', '.', ':' or '/'."
            )
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise AepConfigError(f"The {what} {name!r} holds a control character: take it out.")
    if len(name) > LONGEST:
        raise AepConfigError(f"The {what} has {len(name)} characters, more than {LONGEST}: shorten it.")
    return name


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return the end of a message that names what comes closest: ``" Did you mean 'incident'?"``."""
    names = sorted(set(known))
    folded = {name.casefold(): name for name in names}
    close = [folded[match] for match in get_close_matches(wrong.casefold(), folded, n=3, cutoff=0.5)]
    if close:
        return " Did you mean " + " or ".join(repr(name) for name in close) + "?"
    if not names:
        return " There is none at all."
    shown = ", ".join(repr(name) for name in names[:8])
    return f" There is {shown}{' and ' + str(len(names) - 8) + ' more' if len(names) > 8 else ''}."
