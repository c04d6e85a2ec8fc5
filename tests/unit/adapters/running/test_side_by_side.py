"""Several that go on with one run: what one has recorded is not asked again by the next."""

from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from convsim_adapters import simulate
from convsim_adapters.journal_files import RunInUse, journal_writer, segments_of
from convsim_adapters.running.execution import execute
from convsim_adapters.running.headers import header_of
from convsim_adapters.running.resuming import plan_to_resume, resume_run

CASE = {"id": "refund", "goal": "get a refund", "script": ["Hi.", "Bye."], "goal_when": "never"}


@pytest.fixture
def desk() -> "Desk":
    return Desk()


class Desk:
    """An agent that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def agent(self, messages) -> str:
        self.asked[messages[-1]["content"]] += 1
        return "There."


def test_a_run_that_somebody_else_has_gone_on_with_meanwhile_is_left_alone(
    tmp_path: Path, desk: Desk
) -> None:
    """Reading it and making a plan takes a while; it is looked at again under the lock."""
    cut = simulate([CASE], desk.agent, out=tmp_path / "run", max_seconds=1e-9)
    assert cut.stop_reasons == {"budget": 1}
    given = {"agent": desk.agent, "max_seconds": None}
    plan, beginning = plan_to_resume(tmp_path / "run", given)
    assert resume_run(tmp_path / "run", **given).stop_reasons == {"user_left": 1}
    asked = Counter(desk.asked)
    with pytest.raises(RunInUse, match="was gone on with by another process just now"):
        execute(plan, out=tmp_path / "run", beginning=beginning)
    assert desk.asked == asked
    assert resume_run(tmp_path / "run", **given).stop_reasons == {"user_left": 1}
    assert desk.asked == asked


NO = '{"rationale": "nothing is done", "result": "no"}'
OPEN = [{"id": f"c{n}", "goal": "get a refund"} for n in range(3)]


def model(request) -> str:
    return NO if request.id.lane == "goal_check" else "Hello."


def killed(run: Path, *, entries: int, **settings) -> None:
    """What is left of a run whose process was killed after so many entries."""
    simulate(OPEN, Desk().agent, user_model=model, out=run, max_turns=2, **settings)
    [segment] = segments_of(run)
    lines = segment.read_bytes().splitlines(keepends=True)
    at = [index for index, line in enumerate(lines) if b'"digest"' in line]
    segment.write_bytes(b"".join(lines[: at[entries]]))


def in_flight(run: Path, **given) -> int:
    given |= {"agent": Desk().agent, "user_model": model}
    return plan_to_resume(run, given, accept_changes=True)[1].in_flight


@pytest.mark.parametrize("now", [True, False])
@pytest.mark.parametrize(("overlap", "lanes"), [(None, 2), (True, 2), (False, 1)])
def test_what_was_in_flight_is_told_by_how_it_was_run_not_by_how_it_goes_on(
    tmp_path: Path, now: bool, overlap: bool | None, lanes: int
) -> None:
    """A judge and, with overlap, a user: in one session, after the agent has replied."""
    killed(tmp_path / "run", entries=2, overlap=overlap, concurrency=1)
    assert in_flight(tmp_path / "run", overlap=now, concurrency=50) == lanes


def test_all_that_was_in_flight_is_told_though_a_narrower_run_was_killed_since(
    tmp_path: Path,
) -> None:
    killed(tmp_path / "run", entries=0, concurrency=3)
    assert in_flight(tmp_path / "run") == 3
    plan, _ = plan_to_resume(tmp_path / "run", {"agent": Desk().agent, "user_model": model})
    narrower = evolve(plan, settings=evolve(plan.settings, concurrency=1))
    with journal_writer(
        tmp_path / "run", header_of(narrower, "run", "2026-01-01T00:00:00Z", "key")
    ):
        pass  # killed before it asked anything
    assert in_flight(tmp_path / "run") == 3
