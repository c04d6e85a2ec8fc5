"""A run with litellm's own client, killed once: as with the light one."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from convsim_adapters.journal_files import load_journal

COMMAND = (sys.executable, "-m", "convsim_adapters.cli")
CONCURRENCY = 5
KEPT = ("HOME", "LANG", "PATH", "TMPDIR", "COVERAGE_PROCESS_START")


def asked(loopback) -> Counter[str]:
    """How often each request came: the agent's by their key, the models' by what they say."""
    names = (one.headers.get("Idempotency-Key") or json.dumps(one.body) for one in loopback.seen)
    return Counter(names)


def test_a_run_with_litellm_that_is_killed_asks_nothing_again_that_is_recorded(
    tmp_path: Path, loopback
) -> None:
    cases = [{"id": f"c{n}", "goal": f"get thing {n}"} for n in range(10)]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"OPENAI_API_KEY": "sk-canary-0123", "OPENAI_API_BASE": loopback.base}
    loopback.latency = 0.01

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *words, "--quiet"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    first = start(
        *("run", "cases.json", f"--agent={loopback.url}", "--user-model=openai/gpt-4o-mini"),
        "--client=litellm",
        *(f"--concurrency={CONCURRENCY}", "--max-turns=3", "--out=run"),
    )
    while loopback.count < 40 and first.poll() is None:
        time.sleep(0.002)
    first.kill()
    first.communicate()
    entries = sum(len(log.entries) for log in load_journal(tmp_path / "run").sessions)
    second = start("resume", "run")
    _, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    again = asked(loopback)
    assert entries > 0
    assert again.total() - len(again) <= 2 * CONCURRENCY, "a judge and a user at a time"
    assert set(again.values()) <= {1, 2}
    assert "in flight when it was killed: up to " in err
    third = start("replay", "run")
    assert third.communicate(timeout=60)[1] == ""
    assert third.returncode == 0
