"""Prefect flows and the command line: the parts that decide what runs when.

Importing the package turns telemetry off, which must happen before Prefect or transformers is imported.
"""

from flows.quiet import hush

hush()
