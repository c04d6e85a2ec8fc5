"""The subcommand that compares two recorded runs."""

from __future__ import annotations

from pathlib import Path

import click

from convsim_adapters.cli.output import BAD_INPUT, found, tell

__all__ = ["diff"]


@click.command()
@click.argument("before", metavar="DIR_A", type=click.Path(path_type=Path))
@click.argument("after", metavar="DIR_B", type=click.Path(path_type=Path))
def diff(before: Path, after: Path) -> int:
    """Compare two runs of the same cases: stop reasons, turns, cost, where they depart."""
    from convsim_adapters.cli.tables import diff_summary, diff_table  # noqa: PLC0415  heavy
    from convsim_adapters.running.diffing import diff_runs  # noqa: PLC0415
    from convsim_adapters.running.run_files import read_run  # noqa: PLC0415

    pairs = found(lambda: diff_runs(read_run(before), read_run(after)))
    if pairs is None:
        return BAD_INPUT
    tell(diff_table(pairs), "", diff_summary(pairs))
    return 0
