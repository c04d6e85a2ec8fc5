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

__all__ = ["START", "Line", "Position", "read_lines", "write_line"]

HEAD = '{"crc":"'
COVERED = len(HEAD) + 8 + 2  # the checksum's eight digits and `",`


def _refused(name: str) -> object:
    raise ValueError(f"holds {name}, which is no JSON")


DECODER = json.JSONDecoder(parse_constant=_refused)
# A record is made of values, so nothing is in itself: looking for that takes half of the time.
ENCODER = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":"), check_circular=False
)


@frozen
class Position:
    """A place in a segment: the record's number, from 0, and the byte where its line begins."""

    number: int = 0
    offset: int = 0


@frozen
class Line:
    """One whole line: its place, and its object without checksum and number."""

    number: int
    offset: int
    record: dict[str, Any]
    end: int

    @property
    def next(self) -> Position:
        """Where the next line begins."""
        return Position(self.number + 1, self.end)


START = Position()


def write_line(number: int, record: dict[str, Any]) -> str:
    """Write a record as a line with its end, ASCII throughout.

    >>> write_line(0, {"kind": "discarded", "session": "refund/1"})
    '{"crc":"bd51d35d","n":0,"kind":"discarded","session":"refund/1"}\\n'
    """
    rest = f'"n":{number},{ENCODER.encode(record)[1:]}'
    return f"{_head(rest)}{rest}\n"


def read_lines(text: str, *, file: str = "", after: Position = START) -> Iterator[Line]:
    """Read the whole lines of a segment, from the place `after` which earlier ones were read.

    A last line without its end is left out. Raises `CorruptEntry` with the number and the offset of
    the first line that is not what was written; the lines before it have been given by then.
    """
    number, offset = after.number, after.offset
    while (end := text.find("\n", offset)) >= 0:
        try:
            yield Line(number, offset, _checked(text[offset:end], number), end + 1)
        except ValueError as error:
            raise CorruptEntry(str(error), number, offset, file) from error
        number, offset = number + 1, end + 1


def _checked(line: str, number: int) -> dict[str, Any]:
    rest, numbered = line[COVERED:], f'"n":{number},'
    if not line.startswith(HEAD):
        raise ValueError("does not begin as a record does")
    if not line.isascii() or line[:COVERED] != _head(rest):
        raise ValueError("is not what was written: its checksum differs")
    if not rest.startswith(numbered):
        found = f"begins with {rest.partition(',')[0]:.20}"
        raise ValueError(f"{found}, expected number {number}: a line is lost or doubled")
    try:
        record, end = DECODER.raw_decode("{" + rest[len(numbered) :])
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if end != 1 + len(rest) - len(numbered):
        raise ValueError("has something behind its record")
    return cast("dict[str, Any]", record)


def _head(rest: str) -> str:
    return f'{HEAD}{crc32(rest.encode("ascii")):08x}",'
