"""Journals of every released format replay forever, to their recorded ends, by equal digests.

The files of a format are in a folder of its own and are never changed once it is released. They
were written by `journals.py`, which goes with the newest format: ``UPDATE_GOLDEN=1 pytest
tests/golden``. A journal's segments are numbered; its cases name the rules in `RULES`, and those of
a case that was played before stay as they are, too.

To add a format, when records change their form:

1. In `convsim_fp/journal/records.py` count `FORMAT` up, and change the records.
2. In `convsim_fp/journal/upcasts.py` append to `UPCASTS` the function that makes a plain record of
   the format before into one of the new. It may look at nothing but that record.
3. Here append the new number to `FORMATS`, and to `journals.py` a conversation with what is new.
4. Run ``UPDATE_GOLDEN=1 pytest tests/golden``: it writes the folder of the newest format only.
   Those of all others have to replay as they are.
"""

import os
import runpy
from functools import cache
from pathlib import Path

import pytest
from attrs import evolve

from convsim_fp.core import State, StopReason, step
from convsim_fp.journal import (
    FORMAT,
    Journal,
    begun_from,
    digest,
    read_journal,
    read_segment,
    replay,
)

HERE = Path(__file__).parent
FORMATS = (1,)
RECIPE = runpy.run_path(str(HERE / "journals.py"))
RULES = RECIPE["RULES"]


@cache
def golden(version: int) -> dict[str, Journal]:
    """The journals of a format, by name, from their files."""
    files = sorted((HERE / f"journal_v{version}").glob("*.jsonl"))
    names = dict.fromkeys(file.name.split(".")[0] for file in files)
    return {
        name: read_journal(
            read_segment(file.read_text("ascii"), file=file.name)
            for file in files
            if file.name.startswith(f"{name}.")
        )
        for name in names
    }


def sessions() -> list[tuple[int, str, int]]:
    return [
        (version, name, at)
        for version in FORMATS
        for name, journal in golden(version).items()
        for at in range(len(journal.sessions))
    ]


def test_the_journals_of_the_newest_format_are_as_written() -> None:
    folder = HERE / f"journal_v{FORMAT}"
    assert FORMATS[-1] == RECIPE["HEADER"].format == FORMAT, (
        "the recipe is at the head of this module"
    )
    texts = RECIPE["journals"]()
    if os.environ.get("UPDATE_GOLDEN"):
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "ascii")
    assert {file.name: file.read_text("ascii") for file in folder.glob("*.jsonl")} == texts


@pytest.mark.parametrize(("version", "name", "at"), sessions())
def test_a_golden_session_replays_to_its_end(version: int, name: str, at: int) -> None:
    """With overlap and without: the phase, the verdicts, and every word."""
    log = golden(version)[name].sessions[at]
    assert log.ended is not None
    for overlap in (True, False):
        rules = evolve(RULES[str(log.case.id)], overlap=overlap)
        begun = begun_from(rules, log)
        end = replay(rules, log.case, log.entries, session=log.session, begun=begun).state
        assert end == State(
            log.case, log.session, log.ended.phase, log.transcript, log.ended.verdicts, end.memo
        )


@pytest.mark.parametrize(("version", "name", "at"), sessions())
def test_each_request_of_a_golden_session_has_its_digest(version: int, name: str, at: int) -> None:
    """That of everything its answer depends on, also of what nobody waited for in the end."""
    log = golden(version)[name].sessions[at]
    rules = evolve(RULES[str(log.case.id)], overlap=True)
    answers = {one.id: one for one in log.folded if one.id is not None}
    waiting = begun_from(rules, log)
    listed = {request.id: request for request in waiting.requests}
    while asked := [request for request in waiting.requests if request.id in answers]:
        waiting = step(rules, waiting.state, answers[asked[-1].id].seen)
        listed |= {request.id: request for request in waiting.requests}
    assert answers.keys() <= listed.keys()
    for one in log.entries:
        if one.id in listed:  # of what was discarded, later questions are not asked again
            assert one.digest == digest(listed[one.id])


def test_the_golden_journals_have_every_kind_of_record_and_entry() -> None:
    journal = golden(FORMAT)
    entries = [one for each in journal.values() for log in each.sessions for one in log.entries]
    assert {one.wasted for one in entries} == {one.rebuilt for one in entries} == {True, False}
    assert {type(one.seen).__name__ for one in entries} == {
        "AgentReplied",
        "Failed",
        "Generated",
        "Interrupted",
    }
    logs = [log for each in journal.values() for log in each.sessions]
    assert {log.ended.phase.reason for log in logs if log.ended} >= set(StopReason)
    assert any(log.snapshot and log.parent for log in logs)
    assert any("\ud800" in message.text for log in logs for message in log.transcript)
