"""Files on the disk as text: their size, encoding and format, checked before they are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias, cast, get_args

from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["Format", "format_of", "read_format", "read_text"]

Format: TypeAlias = Literal["auto", "yaml", "json", "jsonl", "csv", "tau2"]

FORMAT_OF_ENDING: Mapping[str, Format] = MappingProxyType(
    {
        ".yaml": "yaml",
        ".yml": "yaml",
        ".json": "json",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".csv": "csv",
    }
)
MEGABYTE = 1_000_000
MOST_BYTES = 20 * MEGABYTE
UTF8_MARK = b"\xef\xbb\xbf"
# UTF-32 before UTF-16: the mark of the one begins with that of the other.
FOREIGN_MARKS: Mapping[bytes, str] = MappingProxyType(
    {
        b"\xff\xfe\x00\x00": "UTF-32",
        b"\x00\x00\xfe\xff": "UTF-32",
        b"\xff\xfe": "UTF-16",
        b"\xfe\xff": "UTF-16",
    }
)
SAVE = "save the file as UTF-8"


def read_format(value: object) -> Format:
    """Take a format's name for one; raises `InvalidSpec` for what is none."""
    known = get_args(Format)
    if value not in known:
        raise InvalidSpec(
            [Problem("format", f"is {value!r:.40}, expected one of {', '.join(known)}")]
        )
    return cast("Format", value)


def format_of(file: str) -> Format:
    """The format that a file's name ends on; raises `InvalidSpec` for an unknown ending.

    >>> format_of("cases/refunds.yml")
    'yaml'
    """
    ending = _no_folder(file).suffix.lower()
    if ending not in FORMAT_OF_ENDING:
        found = f"ends on {ending[:20]!r}" if ending else "has no ending"
        known = ", ".join(FORMAT_OF_ENDING)
        raise _refused(file, f"{found}, expected {known}; rename it or say which format it has")
    return FORMAT_OF_ENDING[ending]


def read_text(file: str) -> str:
    """Read a file of at most 20 MB in UTF-8; raises `InvalidSpec` for any other."""
    try:
        data = _bytes(file)
    except InvalidSpec:
        raise
    except FileNotFoundError:
        raise _refused(file, "does not exist; check the path") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise _refused(file, f"cannot be read: {why or error}") from error
    return _decoded(file, data)


def _bytes(file: str) -> bytes:
    with _no_folder(file).open("rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        # What is no ordinary file tells no size beforehand.
        data = b"" if size > MOST_BYTES else opened.read(MOST_BYTES + 1)
    if max(size, len(data)) > MOST_BYTES:
        shown = f"{ceil(size / MEGABYTE * 10) / 10} MB" if size > MOST_BYTES else "larger"
        raise _refused(file, f"is {shown}, expected at most {MOST_BYTES // MEGABYTE} MB; split it")
    return data


def _no_folder(file: str) -> Path:
    path = Path(file)
    if path.is_dir():
        raise _refused(file, "is a folder, expected a file; name the files in it")
    return path


def _decoded(file: str, data: bytes) -> str:
    for mark, name in FOREIGN_MARKS.items():
        if data.startswith(mark):
            raise _refused(file, f"is in {name}, expected UTF-8; {SAVE}", line=1)
    data = data.removeprefix(UTF8_MARK)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"has the byte 0x{data[error.start]:02X} in line {line}"
        raise _refused(file, f"{found}, which is no UTF-8; {SAVE}", line=line) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refused(file, f"has a NUL byte in line {line}; {SAVE}, as plain text", line=line)
    return text


def _refused(file: str, what: str, *, line: int | None = None) -> InvalidSpec:
    return InvalidSpec([Problem("the file", what, file=file, line=line)])
