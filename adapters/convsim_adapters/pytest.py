"""The pytest plugin: cases as test items, with answers of models that were recorded.

    @pytest.mark.convsim("cases.yaml", agent=desk, user_model="openai/gpt-5-mini")
    def test_the_desk(convsim_session):
        assert convsim_session.achieved

One item for each case. `convsim_session` is how the conversation went, a `SessionResult`. Models
answer from a journal beside the test; the agent, which is under test, runs. It is registered with
pytest by its entry point, and imports nothing else before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import pytest

if TYPE_CHECKING:
    from convsim_adapters.running.marked import Item
    from convsim_adapters.running.results import SessionResult
    from convsim_adapters.running.tested import Mode, Outcome, Place

__all__ = [
    "convsim_session",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

MARK, FIXTURE, MODES = "convsim", "convsim_session", ("none", "once", "all")
TRANSCRIPT, RECORDED = "convsim transcript", "convsim recorded"
NOT_IN_CI = ("", "0", "false", "no", "off")
OUTCOME: pytest.StashKey[Outcome] = pytest.StashKey()
MARKER = (
    "convsim(cases, *, agent, agent_fixture='', replay_agent=False, **settings): play each test "
    "case of a file (beside the test) or a list as an item of its own; settings are those of "
    "convsim's simulate"
)
HELP = (
    "whether answers of models are recorded: none (from the journals only), once (where there is "
    "no journal), all (anew). Default: none where the environment has CI, else once"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini value for the record mode."""
    parser.getgroup(MARK).addoption("--convsim-record", choices=MODES, help=HELP)
    parser.addini("convsim_record", HELP, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker. Raises `UsageError` for a record mode that there is not."""
    config.addinivalue_line("markers", MARKER)
    _mode(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make an item of each case of a marked test; nothing is called for it."""
    test = metafunc.definition
    markers = list(test.iter_markers(MARK))  # the closest first
    if FIXTURE not in metafunc.fixturenames:
        if any(marker.name == MARK for marker in test.own_markers):
            _refuse(test, f"is marked {MARK}, but plays nothing; let it take {FIXTURE}")
        return
    if not markers:
        _refuse(test, f"takes {FIXTURE}, but no cases; mark it with @pytest.mark.{MARK}")
    from convsim_adapters.running.marked import items_of  # noqa: PLC0415  when it is used
    from convsim_fp.errors import ConvsimError  # noqa: PLC0415

    args = next((marker.args for marker in markers if marker.args), ())
    told = {name: value for marker in reversed(markers) for name, value in marker.kwargs.items()}
    try:
        marked = items_of(Path(test.path), args, told)
    except ConvsimError as error:
        _refuse(test, f"is marked {MARK}:\n{error}")
    for doubt in marked.doubts:
        test.warn(pytest.PytestWarning(str(doubt)))
    names = [item.name for item in marked.items]
    metafunc.parametrize(FIXTURE, marked.items, ids=names, indirect=True)


@pytest.fixture
def convsim_session(request: pytest.FixtureRequest) -> SessionResult:
    """How the conversation of this item's case went."""
    from convsim_adapters.running.tested import play  # noqa: PLC0415  when it is used
    from convsim_fp.errors import ConvsimError  # noqa: PLC0415

    item = cast("Item", request.param)
    agent = request.getfixturevalue(item.fixture) if item.fixture else None
    try:
        outcome = play(item, _place(request), mode=_mode(request.config), agent=agent)
    except ConvsimError as error:
        raise pytest.fail.Exception(f"{item.name}: {error}", pytrace=False) from None
    request.node.stash[OUTCOME] = outcome
    return outcome.result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail an item whose conversation is none to hold assertions against."""
    outcome = item.stash.get(OUTCOME, None)
    if outcome is not None and outcome.failure:
        pytest.fail(outcome.failure, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the conversation of an item that failed, and say what was recorded for it."""
    report = yield
    outcome = item.stash.get(OUTCOME, None)
    if outcome is None or call.when == "teardown":
        return report
    if report.failed:
        report.sections.append((TRANSCRIPT, _shown(outcome)))
    if outcome.recorded is not None and (report.failed or call.when == "call"):
        report.sections.append((RECORDED, str(outcome.recorded)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which journals are new: they are to be looked at, and kept with the tests."""
    recorded = sorted(set(_recorded(terminalreporter)))
    if recorded:
        number = f"{len(recorded)} journal{'s' * (len(recorded) > 1)}"
        terminalreporter.write_line(f"convsim recorded {number}; look at them, and commit them:")
    for path in recorded:
        terminalreporter.write_line(f"  {os.path.relpath(path)}")


def _recorded(reporter: pytest.TerminalReporter) -> Iterator[str]:
    for reports in reporter.stats.values():
        for report in reports:
            for name, text in getattr(report, "sections", ()):
                if name == RECORDED:
                    yield text


def _refuse(test: pytest.Item, what: str) -> NoReturn:
    raise pytest.Collector.CollectError(f"{test.nodeid} {what}") from None


def _shown(outcome: Outcome) -> str:
    from convsim_adapters.cli.as_text import session_text  # noqa: PLC0415  when it is used
    from convsim_adapters.cli.plain import printable  # noqa: PLC0415

    text = session_text(outcome.result)
    departs = printable(outcome.departs)
    return f"{text}\n\ndeparts from its record:\n{departs}" if departs else text


def _mode(config: pytest.Config) -> Mode:
    told = cast("str", config.getoption("--convsim-record") or config.getini("convsim_record"))
    if told and told not in MODES:
        raise pytest.UsageError(f"convsim_record is {told!r}, expected one of {', '.join(MODES)}")
    in_ci = os.environ.get("CI", "").lower() not in NOT_IN_CI
    return cast("Mode", told or ("none" if in_ci else "once"))


def _place(request: pytest.FixtureRequest) -> Place:
    """Where the journal of an item is: beside its file, by the test and what parametrises it."""
    from convsim_adapters.running.kept import file_name  # noqa: PLC0415  when it is used
    from convsim_adapters.running.tested import Place  # noqa: PLC0415

    node = request.node
    classes = [part.name for part in node.listchain() if isinstance(part, pytest.Class)]
    path = Path(node.path)
    home = path.parent / f"{path.stem}.journals" / ".".join((*classes, node.originalname))
    return Place(home / file_name(node.callspec.id), node.nodeid)
