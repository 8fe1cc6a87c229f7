"""The process in which mathematics is compared: one JSON line in, one out. Run by `symbolic`, never imported.

A request that uses up its seconds of processor time is ended by the kernel together with this process (the timer's
default action), which works in the middle of a long multiplication and when the parent is gone.
"""

import json
import logging
import resource
import signal
import sys
from typing import Any

MEMORY = 3 << 30


def main() -> None:
    """Serve requests until the input ends."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from math_verify import LatexExtractionConfig, parse, verify
    from math_verify.parser import NormalizationConfig

    # Units stay: without them 3 m would equal 3 km.
    expression = [LatexExtractionConfig(normalization_config=NormalizationConfig(basic_latex=True, units=False))]

    def read(text: str) -> Any:
        return parse(f"${text}$", extraction_config=expression, parsing_timeout=None)

    def same(gold: str, answer: str) -> bool:
        try:
            return bool(verify(read(gold), read(answer), timeout_seconds=None))
        except (Exception, RecursionError):
            return False

    same("1/2", "0.5")  # the grammar is built on first use
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        gold, answer, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        verdict = same(gold, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(verdict) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
