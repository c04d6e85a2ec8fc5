"""The command `convsim`: a thin layer over the front door, whose help imports nothing heavy."""

from __future__ import annotations

import sys

__all__ = ["main"]

NEEDED = ("click", "rich")
INTERRUPTED = 130


def main() -> None:
    """Run the command and exit: 130 interrupted, 2 bad input, 3 and 1 as `Run.exit_code` says."""
    try:
        from convsim_adapters.cli.commands import run_command  # noqa: PLC0415  needs its extra
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        sys.exit(f"convsim: {error.name} is not installed; pip install 'convsim-fp[cli]'")
    except KeyboardInterrupt:  # nothing has begun
        sys.exit(INTERRUPTED)
    sys.exit(run_command())
