"""The command line: `evolens COMMAND`. Each command lives in the `command_*` file of its kind.

Errors that a user can mend end with one line and exit code 1; `--debug` (or EVOLENS_DEBUG=1) shows the traceback.
"""

from __future__ import annotations

import os
import sys

import typer

from flows import console
from flows.packages import check_packages

check_packages()  # before any command, and with it a package of another, is imported

from flows import (  # noqa: E402 - the check above comes first
    command_cache,
    command_card,
    command_compare,
    command_data,
    command_export,
    command_lake,
    command_prove,
    command_push,
    command_query,
    command_report,
    command_review,
    command_run,
    command_serve,
    command_tools,
    command_worker,
)

app = typer.Typer(
    name="evolens",
    help="The data factory for visual reasoning: synthesize, prove, measure, curate, train, and go round again.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    command_run,
    command_query,
    command_data,
    command_compare,
    command_report,
    command_review,
    command_export,
    command_card,
    command_push,
    command_lake,
    command_prove,
    command_cache,
    command_serve,
    command_tools,
    command_worker,
)
for module in COMMANDS:
    module.register(app)


def main() -> None:
    """Entry point of the `evolens` command."""
    if "--debug" in sys.argv:
        sys.argv.remove("--debug")
        os.environ["EVOLENS_DEBUG"] = "1"
    try:
        app()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BrokenPipeError:
        raise SystemExit(0) from None
    except Exception as error:
        if os.environ.get("EVOLENS_DEBUG"):
            raise
        console.fail(str(error) or type(error).__name__)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
