"""Tier 4: whether two expressions are mathematically the same (math-verify), with a hard time limit.

math-verify's own limit needs signals, which only a main thread gets; so it runs in helper processes that are kept for
the next question and killed when one takes too long. Usable from any thread, in Beam workers, and after a fork.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SECONDS = 3.0
"""Processor time for one comparison; on the clock it may take ten times as long before it is killed all the same."""

START_SECONDS = 180.0
LONGEST = 200
_HELPERS = 2

_WORDS = re.compile(r"(?<!\\)\b[a-z]{2,}\b", re.IGNORECASE)
_FUNCTIONS = frozenset({"sqrt", "pi", "sin", "cos", "tan", "log", "ln", "exp", "frac"})
_MATHS = re.compile(r"[\w\s\\{}()\[\].,+\-*/^=<>|!°%'π√×·÷]+")


def mathematical(text: str) -> bool:
    """Whether the text is a short expression and no sentence: prose never reaches the algebra system."""
    return (
        0 < len(text) <= LONGEST
        and _MATHS.fullmatch(text) is not None
        and any(char.isdigit() or char in "\\^=+*/π√" for char in text)
        and not any(word.lower() not in _FUNCTIONS for word in _WORDS.findall(re.sub(r"\\text\s*\{[^{}]*\}", "", text)))
    )


def same(gold: str, answer: str) -> bool | None:
    """Whether two expressions agree. False where it takes too long; None where no helper can be kept running."""
    try:
        return _asked(gold, answer)
    except OSError:
        return None


class _Helper:
    def __init__(self) -> None:
        path = Path(__file__).with_name("helper.py")
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        if self._line(START_SECONDS) != "ready":
            self.close()
            raise OSError("the helper process of math-verify did not start")

    def ask(self, gold: str, answer: str) -> bool:
        """The verdict. Raises `TimeoutError`, or `OSError` when the process ended by itself; then it is of no use."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([gold, answer, SECONDS]).encode() + b"\n")
        line = self._line(10 * SECONDS)
        if line in ("true", "false"):
            return line == "true"
        late = line is None or self.process.wait() == -signal.SIGPROF
        raise TimeoutError if late else OSError(f"math-verify's process ended with {self.process.returncode}")

    def _line(self, seconds: float) -> str | None:
        """One line of output; None when none came in time, blank when the process ended."""
        assert self.process.stdout is not None
        end, data = time.monotonic() + seconds, b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            while not data.endswith(b"\n"):
                if not waiting.select(max(0.0, end - time.monotonic())):
                    return None
                chunk = os.read(self.process.stdout.fileno(), 4096)
                if not chunk:
                    return ""
                data += chunk
        return data.decode().strip()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class _Pool:
    """At most a few helpers, each lent to one thread at a time."""

    def __init__(self) -> None:
        self.free = threading.BoundedSemaphore(_HELPERS)
        self.idle: list[_Helper] = []

    def ask(self, gold: str, answer: str) -> bool:
        """The verdict, False where it takes too long. Raises `OSError` when two helpers in a row break."""
        with self.free:
            try:
                return self._ask(gold, answer)
            except OSError:
                return self._ask(gold, answer)

    def _ask(self, gold: str, answer: str) -> bool:
        helper = self.idle.pop() if self.idle else _Helper()
        try:
            verdict = helper.ask(gold, answer)
        except TimeoutError:  # an OSError too, so it goes first
            helper.close()
            return False
        except OSError:
            helper.close()
            raise
        self.idle.append(helper)
        return verdict

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()


_pool = _Pool()
_inherited: list[_Pool] = []  # of the parent process: neither used nor closed here


def _after_fork() -> None:
    global _pool  # noqa: PLW0603 - the one state of this module, replaced whole
    _inherited.append(_pool)
    _pool = _Pool()


os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _close() -> None:
    _pool.close()


@functools.lru_cache(maxsize=8192)
def _asked(gold: str, answer: str) -> bool:
    return _pool.ask(gold, answer)
