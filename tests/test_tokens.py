"""Local authorisation: free for all, or a list."""

from __future__ import annotations

import pytest

from pilotwire.firmware.auth.tokens import LocalAuthorisation


def test_free_charging_accepts_everybody() -> None:
    assert LocalAuthorisation("free", ()).accepts("ANYBODY")


def test_a_listed_tag_is_accepted_and_no_other() -> None:
    local = LocalAuthorisation("list", ("04AB12", "Straße"))

    assert local.accepts("04AB12")
    assert not local.accepts("04AB1")
    assert not local.accepts("")


@pytest.mark.parametrize("shown", ["04ab12", "04AB12", "04Ab12"])
def test_upper_and_lower_case_are_the_same_tag(shown: str) -> None:
    assert LocalAuthorisation("list", ("04aB12",)).accepts(shown)


def test_an_empty_list_accepts_nobody() -> None:
    local = LocalAuthorisation("list", ())

    assert not local.free
    assert not local.accepts("FREE")
