"""Text without its dress: what is left when formatting, case, outer punctuation and a leading article are gone."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 2_000
"""Characters of an answer that are compared; a longer answer is no answer."""

_COMMAND = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|mbox)\s*\{([^{}]*)\}")
_RAISED = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")
_PLAIN = {0x2212: "-", 0x2044: "/", 0x00AD: None}
_ARTICLE = re.compile(r"(?:the\s+(?=\S)|an?\s+(?=[^\W\d_]{2}))", re.IGNORECASE)
_OUTER = " \t\r\n.,;:!?\"'`*_“”‘’«»"
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def unwrapped(text: str) -> str:
    r"""Without dollar signs around it, ``\text{}``, LaTeX spacing, emphasis and outer punctuation; case is kept."""
    text = _RAISED.sub(lambda match: "^" + match.group(), text)  # 5² is no 52
    text = unicodedata.normalize("NFKC", text).translate(_PLAIN)
    text = re.sub(r"\\[,;:!\s]", " ", text)
    text = text.replace("\\%", "%").replace("\\$", "$").replace("^\\circ", "°").replace("^{\\circ}", "°")
    text = re.sub(r"\\([()\[\]])", " ", text)
    for _ in range(8):
        bare = _COMMAND.sub(r"\1", text)
        bare = _stripped(bare)
        if len(bare) > 1 and bare[0] == "$" == bare[-1]:
            bare = bare.strip("$")
        if len(bare) > 2 and _PAIRS.get(bare[0]) == bare[-1] and not any(c in "()[]{}" for c in bare[1:-1]):
            bare = bare[1:-1]
        if bare == text:
            break
        text = bare
    return " ".join(text.split())


def normal(text: str) -> str:
    """`unwrapped`, lower-cased and without a leading article; punctuation alone stays what it is."""
    bare = unicodedata.normalize("NFKC", unwrapped(text).casefold())
    bare = _ARTICLE.sub("", bare, count=1) if _ARTICLE.match(bare) else bare
    return _stripped(bare) or " ".join(text.split())


def _stripped(text: str) -> str:
    """Outer punctuation off, but not the dot of ``.5``."""
    text = text.rstrip(_OUTER)
    kept = text.lstrip(_OUTER)
    dot = len(text) - len(kept) - 1
    if kept[:1].isdigit() and dot >= 0 and text[dot] == ".":
        return "." + kept
    return kept
