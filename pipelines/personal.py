"""Personal data in lines of text: e-mail addresses, telephone numbers, numbers that name a person or an account.

Why: a picture that shows such a thing must not become training data by accident. A find is told by its rule and a
masked text that its owner would know again; the thing itself is written nowhere.

Numbers are believed only when they check: telephone numbers by libphonenumber's plans and groupings, IBANs and cards by
their check digits (ISO 13616, ISO/IEC 7812), US social security numbers by what can be issued. Telephone numbers in
national form are those of the named regions; digits in one piece are one only after `+` or beside a word such as
"phone", since one in eight runs of 5 to 12 random digits would pass for one in some of five countries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import phonenumbers
from stdnum import iban, luhn
from stdnum.us import ssn

Rule: TypeAlias = Literal["email_in_picture", "phone_in_picture", "id_number_in_picture"]
RULES: tuple[Rule, ...] = get_args(Rule)

HELD_BACK = (
    "SELECT row_id FROM rejects WHERE stage = 'screen' UNION ALL SELECT row_id FROM failures WHERE stage = 'screen'"
)
"""Ids of the samples and captions that stage `screen` held back, as SQL: exports and reports show none of them."""

_EMAIL = re.compile(r"[\w.+%-]*\w ?@ ?(?:[a-z0-9-]+ ?\. ?)+[a-z]{2,24}\b", re.IGNORECASE)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\d.,-])(?:\d[ -]?){12,18}\d(?![\d.,-])")
_ISSUER = re.compile(r"3[47]|4|5[1-5]|2[2-7]|6(?:011|4[4-9]|5)")
"""First digits of American Express, Visa, Mastercard and Discover."""
_SSN = re.compile(r"(?<![\d-])\d{3}[ -]\d{2}[ -]\d{4}(?![\d-])")
_SAID = re.compile(r"\b(?:tel|phone|fone|call|mob|cell|fax|whatsapp|handy|m[oó]vil)[^\W\d_]*", re.IGNORECASE)


@dataclass(frozen=True)
class Find:
    """Something personal: the rule, and what was read, masked."""

    rule: Rule
    shown: str


def find(line: str, regions: Sequence[str]) -> list[Find]:
    """What one line of text gives away, left to right. `regions` are ISO 3166 codes: ("US", "DE").

    A stretch of the line is one find at most: a card's number holds no telephone number.
    """
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, Find]] = []
    spans = [*_emails(line), *_id_numbers(line), *_phones(line, regions)]
    for start, end, rule in spans:
        if all(end <= first or start >= last for first, last in taken):
            taken.append((start, end))
            found.append((start, Find(rule, masked(line[start:end]))))
    return [each for _, each in sorted(found, key=lambda pair: pair[0])]


def masked(text: str) -> str:
    """The text with its letters and digits as dots, but for the first one and the last two: `j•••@•••••••.•om`."""
    signs = [place for place, sign in enumerate(text) if sign.isalnum()]
    open_ = {*signs[:1], *signs[-2:]} if len(signs) >= 8 else set()
    return "".join(sign if place in open_ or not sign.isalnum() else "•" for place, sign in enumerate(text))


def _emails(line: str) -> Iterator[tuple[int, int, Rule]]:
    for match in _EMAIL.finditer(line):
        yield *match.span(), "email_in_picture"


def _id_numbers(line: str) -> Iterator[tuple[int, int, Rule]]:
    for match in _IBAN.finditer(line):
        end = match.end()
        while end > match.start() and not iban.is_valid(line[match.start() : end]):
            end = line.rfind(" ", match.start(), end)  # a word in capitals may follow
        if end > match.start():
            yield match.start(), end, "id_number_in_picture"
    for match in _CARD.finditer(line):
        digits = re.sub(r"[ -]", "", match[0])
        if _ISSUER.match(digits) and luhn.is_valid(digits) and len(set(digits)) > 1:
            yield *match.span(), "id_number_in_picture"
    for match in _SSN.finditer(line):
        if ssn.is_valid(match[0].replace(" ", "-")):
            yield *match.span(), "id_number_in_picture"


def _phones(line: str, regions: Sequence[str]) -> Iterator[tuple[int, int, Rule]]:
    said = _SAID.search(line) is not None
    apart = _SAID.sub(lambda word: " " * len(word[0]), line)  # where "Call 650-…" was read as "Call650-…"
    grouped, valid = phonenumbers.Leniency.STRICT_GROUPING, phonenumbers.Leniency.VALID
    for match in phonenumbers.PhoneNumberMatcher(apart, None, leniency=valid):  # with `+`, however it is grouped
        yield match.start, match.end, "phone_in_picture"
    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(apart, region, leniency=grouped):
            if said or not match.raw_string.isdigit():
                yield match.start, match.end, "phone_in_picture"
