"""Names that AEP's filters can find again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aep_provider.errors import AepConfigError
from aep_provider.resources.names import FORBIDDEN, LONGEST, check_name, nearest


@pytest.mark.parametrize(
    ("character", "spoken"),
    [(",", "comma"), ("&", "ampersand"), ("=", "equals"), ("<", "less-than"), (">", "greater-than"),
     ('"', "double quote"), ("'", "single quote")],
)  # fmt: skip
@pytest.mark.parametrize("name", ["{}front", "mid{}dle", "end{}"])
def test_what_filters_use_is_refused_and_told(name: str, character: str, spoken: str) -> None:
    with pytest.raises(AepConfigError, match=spoken) as refused:
        check_name(name.format(character), "name of the dataflow")
    assert "name of the dataflow" in str(refused.value)


@pytest.mark.parametrize(
    "name", ["incident", "ServiceNow incident", "a:b/c_d-e.f", "Łódź 東京 🚀", "x" * LONGEST, "50% off!"]
)
def test_what_filters_bear_is_taken_as_it_is(name: str) -> None:
    assert check_name(name, "name") == name


@pytest.mark.parametrize(
    "name", ["", " ", "\t", None, 5, [], " incident", "incident ", "a\nb", "a\x00b", "a\x7fb", "x" * (LONGEST + 1)]
)
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(AepConfigError):
        check_name(name, "name")


@given(st.text(alphabet=st.characters(), min_size=1))
def test_a_name_is_taken_or_refused_in_one_line(name: str) -> None:
    if (
        name.strip() != name
        or set(name) & set(FORBIDDEN)
        or any(ord(one) < 32 or 127 <= ord(one) < 160 for one in name)
        or len(name) > LONGEST
    ):
        with pytest.raises(AepConfigError) as refused:
            check_name(name, "name")
        assert "\n" not in str(refused.value)
    else:
        assert check_name(name, "name") == name


def test_the_nearest_are_named() -> None:
    assert nearest("incidnet", ["incident", "customer"]) == " Did you mean 'incident'?"
    assert nearest("INCIDENT", ["incident", "customer"]) == " Did you mean 'incident'?"


def test_what_is_near_to_nothing_gets_a_list() -> None:
    assert nearest("zzz", ["incident", "customer"]) == " There is 'customer', 'incident'."
    assert nearest("zzz", [f"t{number:02}" for number in range(10)]).endswith("'t07' and 2 more.")
    assert nearest("zzz", []) == " There is none at all."
