"""What is tried again, and after how long: 408, 429 (as `Retry-After` says), 5xx, lost connections, answers cut short.

Any other refusal is final: the same words would be refused again.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0


def passing(status: int) -> bool:
    """Whether a server that answered with this HTTP status may yet answer."""
    return status in (408, 429) or status >= 500


def pause(attempt: int, chance: float) -> float:
    """Seconds after failed attempt number `attempt` (from 1): they double, between half and one and a half times as
    `chance` in [0, 1) says, so that what failed together does not come back together.
    """
    return float(min(FIRST_PAUSE_S * 2.0 ** (attempt - 1), LONGEST_PAUSE_S) * (0.5 + chance))


def retry_after(said: str | None, now: float) -> float | None:
    """Seconds that a server asks us to wait: it may say a number or a date; None for neither. `now` is Unix time."""
    try:
        return max(0.0, float(said or ""))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said or "").timestamp() - now)
    except ValueError:
        return None
