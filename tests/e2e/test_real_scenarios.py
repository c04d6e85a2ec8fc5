"""114 scenarios of tau2-bench through the command, our clients of models and a real server."""

import json
from collections import Counter
from pathlib import Path

import pytest

from convsim_adapters.journal_files import load_journal

TASKS = Path(__file__).parents[3] / "shared" / "data" / "tau2" / "retail_tasks.json"
CANARY = "sk-canary-0123456789"
FAILURES = (
    "401",
    "429",
    "429 soon",
    "500",
    "529",
    "choices []",
    "cut json",
    "hang",
    "html",
    "huge",
    "no usage",
    "null content",
    "reset",
)
RETRIES, MAX_TURNS, MAX_ASKS = 4, 5, 3
TYPED = {"goal_achieved", "max_turns", "user_failed", "goal_check_failed"}

pytestmark = pytest.mark.skipif(
    not TASKS.exists(),
    reason="the tau2-bench tasks are not at ../shared/data/tau2; they are not part of this project",
)


@pytest.fixture
def played(convsim, here, loopback):
    """Play all 114 of them; how the command ended, and the record of each session."""

    def play(*, retries=RETRIES, client="auto"):
        ran = convsim(
            "run",
            TASKS,
            "--agent=agents:shop",
            "--user-model=openai/gpt-4o-mini",
            f"--client={client}",
            f"--max-turns={MAX_TURNS}",
            f"--retries={retries}",
            "--timeout=2",
            "--concurrency=100",
            "--out=run",
            OPENAI_API_KEY=CANARY,
            OPENAI_API_BASE=loopback.base,
        )
        lines = (here / "run" / "results.jsonl").read_text().splitlines()
        return ran, [json.loads(line) for line in lines]

    return play


def reasons(records):
    return Counter(record["stop_reason"] for record in records)


def models_attempts(records):
    """What was sent to models: all attempts but the agent's one in each turn that it was called."""
    agents = sum(m["speaker"] == "agent" for record in records for m in record["transcript"])
    return sum(record["usage"]["attempts"] for record in records) - agents


def forgotten_in(directory: Path) -> int:
    """How many requests nobody waited for any more, of which it is not known what they cost."""
    logs = load_journal(directory).sessions
    return sum(entry.wasted for log in logs for entry in log.entries)


def test_real_scenarios_all_come_to_their_end(played, loopback, here) -> None:
    loopback.keep = False
    ran, records = played()
    assert ran.code == 0, ran.err
    assert len({record["case_id"] for record in records}) == 114
    assert set(reasons(records)) == {"goal_achieved", "max_turns"}
    assert models_attempts(records) == loopback.count
    assert all(record["usage"]["attempts"] == record["usage"]["requests"] for record in records)
    forgotten = forgotten_in(here / "run")
    assert sum(record["usage"]["unpriced"] for record in records) <= forgotten


@pytest.mark.parametrize("client", ["direct", "litellm"])
def test_with_every_failure_each_session_still_ends_typed(
    played, loopback, here, convsim, client
) -> None:
    """5 % of the requests fail in each of thirteen ways, so two thirds of them in one of them."""
    loopback.keep = False
    loopback.share, loopback.kinds = 0.05 * len(FAILURES), FAILURES
    ran, records = played(client=client)
    assert ran.code == 3
    assert "Traceback" not in ran.err
    assert len({record["case_id"] for record in records}) == 114
    assert set(reasons(records)) <= TYPED
    assert set(loopback.failed) == set(FAILURES)
    # Of a request that nobody waited for any more it is not known whether it was under way already:
    # litellm works for some milliseconds before it sends one. All else is known exactly.
    forgotten = forgotten_in(here / "run")
    asked = sum(record["usage"]["requests"] for record in records)
    assert models_attempts(records) - forgotten <= loopback.count <= models_attempts(records)
    assert loopback.count <= (1 + RETRIES) * asked
    for record in records:
        if record["stop_reason"].endswith("_failed"):
            assert record["detail"].partition(":")[0] in {
                "malformed_reply",
                "rate_limited",
                "timed_out",
                "unauthorized",
                "unavailable",
                "unusable_replies",
            }
    files = [file for file in (here / "run").rglob("*") if file.is_file()]
    assert {"0001.jsonl", "results.jsonl", "run.json"} <= {file.name for file in files}
    assert not any(CANARY in file.read_text() for file in files)
    assert CANARY not in ran.out + ran.err
    assert "114 of 114 sessions went again as recorded" in convsim("replay", "run").out


def test_what_failed_is_tried_again_and_all_of_them_replay(played, loopback, convsim) -> None:
    loopback.keep = False
    loopback.share, loopback.kinds = 0.3, ("500", "html", "401")
    _, records = played(retries=0)
    failed = sum(record["stop_reason"].endswith("_failed") for record in records)
    assert failed > 20
    loopback.share, before = 0.0, loopback.count
    ran = convsim(
        "resume",
        "run",
        "--retry=failed",
        "--retries=4",
        "--timeout=60",  # a machine with much else to do is no failure
        OPENAI_API_KEY=CANARY,
        OPENAI_API_BASE=loopback.base,
    )
    assert ran.code == 0, ran.err
    assert f"{114 - failed} of 114 sessions whole, {failed} to go on with" in ran.err
    assert loopback.count - before <= failed * MAX_TURNS * 2
    replayed = convsim("replay", "run")
    assert (replayed.code, replayed.err) == (0, "")
    assert "114 of 114 sessions went again as recorded" in replayed.out
