"""What is said of runs that were recorded: damage, changes, and what is there no more."""

import runpy
import sys
from pathlib import Path

from convsim_adapters.journal_files import load_journal
from convsim_adapters.journal_files.writing import journal_writer
from convsim_adapters.running.kept import read_kept, read_one
from convsim_fp import TestCase

RUNS = runpy.run_path(str(Path(__file__).with_name("g_runs.py")))
_written = RUNS["_written"]
CASES = RUNS["CASES"]
RUN = RUNS["RUN"]


def recorded(desk) -> None:
    _written(desk)
    desk.command(f"{RUN} --out run")
    for line in (
        "show nowhere",
        "show msgs_desk.py",
        "show run refnd",
        "show run refund",
        "resume nowhere",
        "resume run",
        "resume run --agent msgs_desk:other --max-turns 3",
        "replay run",
        "replay run refnd",
        "replay run refund --agent msgs_desk:other --quiet",
        "replay run --goal-check never",
        "fork run refund --at-turn 9 --out forked",
        "fork run refund --at-turn 2 --out forked --quiet",
        "show forked",
        "fork nowhere refund --at-turn 2",
        "diff run nowhere",
        "diff run forked",
        "report nowhere",
        "report run --out run/msgs/report.html",
        "report run --out cases.yaml/report.html",
        "export nowhere --mlflow=nonsense",
    ):
        desk.command(line, shown=line.startswith("replay"))
    desk.file("cases.yaml", CASES.replace("a refund\n", "a refund of 9 EUR\n"))
    desk.command("resume run")
    desk.command("replay run", shown=True)


def damage(desk) -> None:
    _written(desk)
    desk.command(f"{RUN} --out run")
    [segment] = (desk.path / "run/journal").glob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b"refund", b"refuse", 1))
    desk.command("show run")
    desk.command("resume run")
    segment.write_bytes(whole[: whole.index(b"\n") + 1])
    desk.command("resume run")
    lines = whole.splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:-2]))
    (desk.path / "run/results.jsonl").unlink()
    desk.command("show run")
    desk.command("resume run --agent msgs_desk:Remembers --accept-changes --quiet")
    segment.unlink()
    segment.mkdir()
    desk.by(load_journal, desk.path / "run")
    desk.by(read_kept, segment)
    desk.by(read_kept, Path(desk.file("empty.jsonl", "")))
    segment.rmdir()
    segment.write_bytes(whole)
    desk.by(read_one, segment)
    desk.by(_unwritable, desk.path)


def _unwritable(path) -> None:
    (path / "file").write_text("")
    with journal_writer(path / "file"):
        pass


def remembered(desk) -> None:
    _written(desk)
    line = "run cases.yaml --agent msgs_desk:Remembers --quiet --out run"
    desk.command(f"{line} --max-seconds 0.000001")
    desk.command("run cases.yaml --agent msgs_desk:Interrupts --concurrency 1 --quiet --out cut")
    desk.command("show cut")
    desk.command("resume cut --agent msgs_desk:Remembers --accept-changes --quiet")
    desk.command("demo --out demo")
    desk.command("fork run refund --at-turn 1 --out forked --quiet --samples 2")
    desk.command("fork forked refund --at-turn 1 --out again --quiet")
    desk.command("replay forked refund/7")
    desk.command("show cut refund --turn 9")
    desk.command("show cut --turn 9")
    desk.command("show cut refund --full")
    desk.command("watch nowhere")


def changed(desk) -> None:
    _written(desk)
    line = "run cases.yaml --agent msgs_desk:agent --user msgs_desk:user --quiet --out run"
    desk.command(line)
    sys.modules["msgs_desk"].words = "Good day."
    desk.command("replay run", shown=True)
    desk.command("resume run")
    desk.command("replay run refund --agent msgs_desk:other --quiet", shown=True)
    sys.modules["msgs_desk"].words = "Hello."
    desk.by(lambda: _refused_changes(desk.path / "run"))


def _refused_changes(path) -> None:
    from convsim_adapters.running.headers import changed_cases
    from convsim_fp.errors import InvalidSpec

    logs = load_journal(path).sessions
    cases = [TestCase(id="letter", goal="x")]
    raise InvalidSpec(changed_cases(logs, cases))


TRIGGERS = {
    "Recorded runs": recorded,
    "Journals of runs that are damaged": damage,
    "Runs that stop before their time": remembered,
    "Cases that were changed since": changed,
}
