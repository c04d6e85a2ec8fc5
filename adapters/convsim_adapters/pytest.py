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
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from convsim_adapters.running.results import SessionResult
    from convsim_adapters.running.tested import Item, Outcome

__all__ = [
    "convsim_session",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
]

FIXTURE, MODES = "convsim_session", ("none", "once", "all")
OUTCOME: pytest.StashKey[Outcome] = pytest.StashKey()
MARKER = (
    "convsim(cases, *, agent, replay_agent=False, **settings): play each test case of a file "
    "(beside the test) or a list as an item of its own; settings are those of convsim's simulate"
)
HELP = (
    "whether answers of models are recorded: none (from the journals only), once (where there is "
    "no journal), all (anew). Default: none where the environment has CI, else once"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and the ini value for the record mode."""
    parser.getgroup("convsim").addoption("--convsim-record", choices=MODES, help=HELP)
    parser.addini("convsim_record", HELP, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Tell pytest of the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make an item of each case of a marked test; nothing is called for it."""
    if FIXTURE not in metafunc.fixturenames:
        return
    from convsim_adapters.running.tested import items_of  # noqa: PLC0415  when it is used
    from convsim_fp.errors import ConvsimError  # noqa: PLC0415

    marker = metafunc.definition.get_closest_marker("convsim")
    if marker is None:
        what = f"{metafunc.definition.nodeid} wants {FIXTURE}; mark it with @pytest.mark.convsim"
        raise pytest.Collector.CollectError(what)
    try:
        items = items_of(Path(metafunc.definition.path), marker.args, marker.kwargs)
    except ConvsimError as error:
        what = f"{metafunc.definition.nodeid}, marked convsim:\n{error}"
        raise pytest.Collector.CollectError(what) from None
    metafunc.parametrize(FIXTURE, items, ids=[item.name for item in items], indirect=True)


@pytest.fixture
def convsim_session(request: pytest.FixtureRequest) -> SessionResult:
    """How the conversation of this item's case went."""
    from convsim_adapters.running.tested import play  # noqa: PLC0415  when it is used

    item = cast("Item", request.param)
    outcome = play(item, _journal(request), mode=_mode(request.config))
    request.node.stash[OUTCOME] = outcome
    return outcome.result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Fail an item whose conversation could not be played from what is recorded."""
    outcome = item.stash.get(OUTCOME, None)
    if outcome is not None and outcome.failure:
        pytest.fail(outcome.failure, pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the conversation of an item that failed."""
    report = yield
    outcome = item.stash.get(OUTCOME, None)
    if report.failed and outcome is not None and call.when in ("setup", "call"):
        report.sections.append(("convsim transcript", outcome.shown))
    return report


def _mode(config: pytest.Config) -> str:
    told = cast("str", config.getoption("--convsim-record") or config.getini("convsim_record"))
    if told and told not in MODES:
        raise pytest.UsageError(f"convsim_record is {told!r}, expected one of {', '.join(MODES)}")
    return told or ("none" if os.environ.get("CI") else "once")


def _journal(request: pytest.FixtureRequest) -> Path:
    """Where the journal of an item is: beside its file, by the test and what parametrises it."""
    from convsim_adapters.running.tested import file_name  # noqa: PLC0415  when it is used

    node = request.node
    test = ".".join(part.name for part in node.listchain()[:-1] if isinstance(part, pytest.Class))
    name = ".".join(filter(None, (test, node.originalname)))
    path = Path(node.path)
    return path.parent / f"{path.stem}.journals" / name / file_name(node.callspec.id)
