"""A desk at which every message is provoked, and written down as whoever provoked it reads it."""

import asyncio
import inspect
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from attrs import define, field

from convsim_adapters.cli.commands import run_command

FENCE = "```\n"
PORT = re.compile(r"127\.0\.0\.1:\d{4,}|(?<='127\.0\.0\.1', )\d+")
SECONDS = re.compile(r"\b\d+\.\d+ s\b")
INSIDE = re.compile(r"; still inside the agent or a model: .*")
PROGRESS = re.compile(r"\d+/\d+ session|^$")
OWNER = re.compile(r"process \d+ on \S+ writes it since [^;]+")
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


@define
class Desk:
    """What was said, under the heading at which it was said; `path` is an empty directory."""

    path: Path
    headings: int = 0
    said: list[str] = field(factory=list)

    def heading(self, words: str) -> None:
        self.said.append(f"## {words}")
        self.headings += 1
        self.path = self.path.parent / f"desk{self.headings}"
        self.path.mkdir()
        os.chdir(self.path)

    def by(self, call: Callable[..., Any], /, *given: Any, **named: Any) -> None:
        """Call it, and write down what it raises, warns of, logs, and finds wrong."""
        with self._listening():
            try:
                found = call(*given, **named)
                if inspect.isawaitable(found):
                    found = asyncio.run(_awaited(found))
            except BaseException as error:  # noqa: BLE001  whatever it is, it is written down
                self.write(f"{type(error).__name__}: {error}")
            else:
                self._found(found)

    def file(self, name: str, text: str | bytes) -> str:
        """Write a file at the desk; its name."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
        return name

    def command(self, line: str, *, shown: bool = False) -> None:
        """Run ``convsim …`` and write down its exit code and what it says beside its results.

        Its results, which it prints on standard output, only where they are to be `shown`.
        """
        said, argv = StringIO(), sys.argv
        sys.argv = ["convsim", *line.split()]
        try:
            with (
                self._listening(),
                redirect_stdout(said if shown else StringIO()),
                redirect_stderr(said),
            ):
                code = run_command()
        finally:
            sys.argv = argv
        words = (one for one in said.getvalue().splitlines() if not PROGRESS.match(one))
        self.write("\n".join((f"$ convsim {line}", *words, f"(exit code {code})")))

    def write(self, words: str) -> None:
        """One message, without what differs from machine to machine."""
        for found, shown in ((str(self.path) + "/", ""), (str(self.path), ".")):
            words = words.replace(found, shown)
        words = OWNER.sub("process PID on HOST writes it since TIME", words.replace("\0", "\\0"))
        words = INSIDE.sub("", words)  # whether it still is, is chance
        words = SECONDS.sub("N s", ADDRESS.sub("0x…", words))
        self.said.append(PORT.sub("127.0.0.1:PORT", words))

    def text(self) -> str:
        """Everything, as a file of Markdown."""
        parts: list[str] = []
        for words in self.said:
            if words.startswith("## "):
                parts.append(f"{FENCE if parts else ''}\n{words}\n\n```text\n")
            else:
                between = "" if parts[-1].endswith("text\n") else "\n"
                parts.append(f"{between}{words}\n")
        return "".join((*parts, FENCE))

    def _found(self, found: object) -> None:
        problems = [*getattr(found, "problems", ())] if not callable(found) else []
        if problems:
            self.write("\n".join(map(str, problems)))
        for doubt in (*getattr(found, "warnings", ()), *getattr(found, "doubts", ())):
            self.write(f"warning: {doubt}")
        if isinstance(found, str):
            self.write(found)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        heard = _Heard()
        loggers = [logging.getLogger(name) for name in ("convsim_fp", "convsim_adapters")]
        for logger in loggers:
            logger.addHandler(heard)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                yield
        finally:
            for logger in loggers:
                logger.removeHandler(heard)
        for one in caught:
            self.write(f"{one.category.__name__}: {one.message}")
        for words in heard.words:
            self.write(words)


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(f"{record.levelname.lower()} of {record.name}: {record.getMessage()}")


async def _awaited(found: Any) -> object:
    return await found


def all_of(desk: Desk, triggers: Iterable[tuple[str, Callable[[Desk], None]]]) -> str:
    """What all triggers said."""
    for words, trigger in triggers:
        desk.heading(words)
        trigger(desk)
    return desk.text()
