"""What `convsim demo` runs: an agent with one flaw, and the customers who find it."""

from __future__ import annotations

import shutil
from pathlib import Path

from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["AGENT", "CASES", "write_demo"]

AGENT = Path(__file__).with_name("shop.py")
CASES = Path(__file__).with_name("cases.yaml")


def write_demo(directory: Path) -> tuple[Path, ...]:
    """Copy the agent and its cases to a directory, to try things out on.

    Raises `InvalidSpec` where one of the files is there already, or cannot be written.
    """
    written = tuple(directory / source.name for source in (AGENT, CASES))
    there = [file for file in written if file.exists()]
    if there:
        what = "is there already; choose another directory"
        raise InvalidSpec(Problem(str(file), what) for file in there)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for source, file in zip((AGENT, CASES), written, strict=True):
            shutil.copyfile(source, file)
    except OSError as error:
        what = f"is {str(directory)!r}, which cannot be written: {error.strerror}; choose another"
        raise InvalidSpec([Problem("--write", what)]) from error
    return written
