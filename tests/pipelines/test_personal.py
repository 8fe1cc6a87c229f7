"""What counts as personal in a line of text, with a near miss beside every rule."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from pipelines.personal import find, masked

REGIONS = ("US", "GB", "DE", "FR", "IN")

FOUND = {
    "Write to Jane.Doe@example.com today": ("email_in_picture", "J•••.•••@•••••••.•om"),
    "info @ shop . example . org": ("email_in_picture", "i••• @ •••• . ••••••• . •rg"),
    "Call (650) 253-0000": ("phone_in_picture", "(6••) •••-••00"),
    "+49 30 901820": ("phone_in_picture", "+4• •• ••••20"),
    "Tel: 02070313000": ("phone_in_picture", "0••••••••00"),
    "Call713-396-5735": ("phone_in_picture", "7••-•••-••35"),  # as readers drop spaces
    "+1 415490 2387": ("phone_in_picture", "+1 •••••• ••87"),
    "01 42 68 53 00": ("phone_in_picture", "0• •• •• •• 00"),
    "4111 1111 1111 1111": ("id_number_in_picture", "4••• •••• •••• ••11"),
    "378282246310005": ("id_number_in_picture", "3••••••••••••05"),
    "IBAN DE89 3704 0044 0532 0130 00 BANK": ("id_number_in_picture", "D••• •••• •••• •••• •••• 00"),
    "SSN 536-90-4399": ("id_number_in_picture", "5••-••-••99"),
}
MISSED = [
    "@handle and 3 @ 4.50",  # no domain
    "me@localhost",
    "555-0199",  # too short for a national number
    "123-456-7890",  # no area code begins with 1
    "2010 2011 2012 2013",  # an axis of years
    "12 345 678",
    "2024-01-15 12:30",
    "ISBN 978-3-16-148410-0",
    "192.168.100.200",
    "AB713-396-5735",  # a part's number
    "S/N 8005550123",  # digits in one piece, and no word that says what they are
    "4111 1111 1111 1112",  # fails the check digit
    "1234 5678 9012 3452",  # passes it, and no issuer's numbers begin so
    "DE89 3704 0044 0532 0130 01",
    "000-12-3456",  # never issued
    "3.14159265358979323",
]


@pytest.mark.parametrize("line", FOUND)
def test_found(line: str) -> None:
    assert [(each.rule, each.shown) for each in find(line, REGIONS)] == [FOUND[line]]


@pytest.mark.parametrize("line", MISSED)
def test_near_misses(line: str) -> None:
    assert find(line, REGIONS) == []


def test_several_in_one_line_are_told_from_left_to_right() -> None:
    rules = [each.rule for each in find("+44 20 7031 3000, a.b@example.com, 5105 1051 0510 5100", REGIONS)]
    assert rules == ["phone_in_picture", "email_in_picture", "id_number_in_picture"]


def test_a_national_number_counts_where_its_region_is_named() -> None:
    assert find("020 7031 3000", ("GB",)) and not find("020 7031 3000", ("US",))


@given(st.text(max_size=60))
def test_any_text_can_be_searched_and_what_is_shown_hides_all_but_three_signs(text: str) -> None:
    for each in find(text, REGIONS):
        assert sum(sign.isalnum() for sign in each.shown) <= 3
    shown = masked(text)
    assert len(shown) == len(text)
    assert sum(sign.isalnum() for sign in shown) <= 3


@given(st.integers(10**11, 10**12 - 1), st.sampled_from(["4", "51", "2221", "6011"]))
def test_every_card_that_checks_is_found_and_none_with_a_wrong_digit(digits: int, issuer: str) -> None:
    body = (issuer + str(digits))[:15]
    good = body + luhn.calc_check_digit(body)
    bad = body + str((int(good[-1]) + 1) % 10)
    assert [each.rule for each in find(good, ())] == ["id_number_in_picture"]
    assert find(bad, ()) == []


def test_numbers_of_charts_are_hardly_ever_taken_for_personal_ones() -> None:
    """Two thousand seeded labels as charts print them: quantities, years, codes, prices."""
    draw = random.Random(4)
    labels = [
        draw.choice(["{:,}", "{}", "{:.2f}", "No. {}", "${:,}", "{} kg", "x={}"]).format(draw.randrange(10**8))
        for _ in range(2000)
    ]
    assert [label for label in labels if find(label, REGIONS)] == []
