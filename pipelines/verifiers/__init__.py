"""Whether an answer is right, decided by the cheapest tier that can, and by which (design §6).

extract → typed parse → typed compare → symbolic → judge votes. A response without an answer, or with one that its type
does not allow, is wrong. Nothing here raises on what a model wrote.
"""

from pipelines.verifiers.extract import extract
from pipelines.verifiers.rules import Rules
from pipelines.verifiers.typed import written
from pipelines.verifiers.verify import Verdict, verify, verify_answer, verify_row

__all__ = ["Rules", "Verdict", "extract", "verify", "verify_answer", "verify_row", "written"]
