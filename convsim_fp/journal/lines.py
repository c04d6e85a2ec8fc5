"""Lines of a journal: JSON objects, each with a running number and a checksum.

    {"crc":"9ae0daaf","n":3,"kind":"entry",…}

The checksum (CRC-32, as in zlib) covers everything behind it, the line's end excluded; the numbers
of a segment run from 0. So a flipped bit, a lost line, a line written twice and lines in another
order are all found out. A last line without its end is what a killed process leaves: it is cut, for
nothing that follows from it was ever sent.

Text is handed in as latin-1, so that a character is a byte and an offset is one of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, cast
from zlib import crc32

from attrs import frozen

from convsim_fp.errors import CorruptEntry

__all__ = ["Line", "Position", "read_lines", "write_line"]

HEAD = '{"crc":"'
COVERED = len(HEAD) + 8 + 2  # the checksum's eight digits and `",`


@frozen
class Position:
    """A place in a segment: the record's number, from 0, and the byte where its line begins."""

    number: int = 0
    offset: int = 0


@frozen
class Line:
    """One whole line: its object without checksum and number, and where the next one begins."""

    record: dict[str, Any]
    next: Position


START = Position()


def write_line(number: int, record: dict[str, Any]) -> str:
    """Write a record as a line with its end, ASCII throughout.

    >>> write_line(0, {"kind": "discarded", "session": "refund/1"})
    '{"crc":"bd51d35d","n":0,"kind":"discarded","session":"refund/1"}\\n'
    """
    written = json.dumps(
        {"n": number, **record}, ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )
    rest = written[1:]
    return f'{HEAD}{crc32(rest.encode("ascii")):08x}",{rest}\n'


def read_lines(text: str, *, file: str = "", after: Position = START) -> Iterator[Line]:
    """Read the whole lines of a segment, from the place `after` which earlier ones were read.

    A last line without its end is left out. Raises `CorruptEntry` with the number and the offset of
    the first line that is not what was written; the lines before it have been given by then.
    """
    number, offset = after.number, after.offset
    while (end := text.find("\n", offset)) >= 0:
        record = _checked(text[offset:end], Position(number, offset), file)
        number, offset = number + 1, end + 1
        yield Line(record, Position(number, offset))


def _checked(line: str, at: Position, file: str) -> dict[str, Any]:
    if not line.startswith(HEAD) or line[COVERED - 2 : COVERED] != '",':
        raise CorruptEntry("does not begin as a record does", at.number, at.offset, file)
    rest = line[COVERED:]
    if line[COVERED - 10 : COVERED - 2] != f"{crc32(rest.encode('latin-1', 'replace')):08x}":
        raise CorruptEntry(
            "is not what was written: its checksum differs", at.number, at.offset, file
        )
    try:
        read: object = json.loads("{" + rest)
    except (ValueError, RecursionError) as error:
        raise CorruptEntry(f"is no JSON: {error}", at.number, at.offset, file) from error
    record = cast("dict[str, Any]", read)
    found = record.get("n")
    if found != at.number or isinstance(found, bool):
        what = f"has the number {found!r:.20}, expected {at.number}: a line is lost or doubled"
        raise CorruptEntry(what, at.number, at.offset, file)
    return {key: value for key, value in record.items() if key != "n"}
