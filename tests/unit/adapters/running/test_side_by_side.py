"""Two that go on with one run: what the first has recorded is not asked again by the second."""

from collections import Counter
from pathlib import Path

import pytest

from convsim_adapters import simulate
from convsim_adapters.journal_files import RunInUse
from convsim_adapters.running.execution import execute
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
