"""The command from outside: what it prints, writes and exits with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "convsim_adapters.cli")
SHOP = ("--agent", "agents:shop")


def rows(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:] if line][:3]


def records(directory: Path) -> list[dict]:
    return [json.loads(line) for line in (directory / "results.jsonl").read_text().splitlines()]


def test_a_run_shows_what_failed_first_and_says_why(convsim, here) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--out", "first")
    assert ran.code == 3
    assert rows(ran.out) == ["broken", "missed", "refund"]
    assert "agent_failed" in ran.out
    assert "agent_error: RuntimeError: no such order at all" in ran.out
    assert "no message of the agent matches 'abracadabra'" in ran.out
    assert "goal achieved in 1 of 3 sessions (33 %; 1 failed) · 4 turns" in ran.out
    assert "stop reasons: goal_achieved 1, user_left 1, agent_failed 1" in ran.out
    assert "next:  convsim show first broken/1" in ran.out
    assert [record["case_id"] for record in records(here / "first")] == [
        "refund",
        "missed",
        "broken",
    ]


def test_results_hold_everything_of_a_session(convsim, here) -> None:
    convsim("run", "cases.yaml", *SHOP, "--out", "first", "--select", "refund", "--trials", 2)
    first, second = records(here / "first")
    assert (first["trial"], second["trial"]) == (1, 2)
    assert first["stop_reason"] == "goal_achieved"
    assert first["transcript"][0] == {"speaker": "user", "text": "money back please"}
    assert first["verdict"]["achieved"] is True
    assert first["usage"]["requests"] == 1
    assert first["seconds"] >= 0
    settings = json.loads((here / "first" / "run.json").read_text())
    assert settings["status"] == "finished"
    assert settings["settings"]["agent"] == "agents:shop"
    assert settings["totals"]["goal_achieved"] == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--select", "refund"], 0),
        (["--select", "refund", "--select", "missed"], 0),
        (["--select", "refund", "--select", "missed", "--fail-under", "0.5"], 0),
        (["--select", "refund", "--select", "missed", "--fail-under", "0.51"], 1),
        (["--select", "tag:money", "--fail-under", "1"], 3),
        (["--select", "refnud"], 2),
        (["--trials", "0"], 2),
        (["--fail-under", "80"], 2),
        (["--frobnicate"], 2),
    ],
)
def test_the_exit_code_tells_how_it_went(convsim, words, code) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--quiet", *words)
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err


def test_too_low_a_rate_is_said(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--select", "missed", "--fail-under", "0.9")
    assert "the rate of 0.000 is under 0.9" in ran.err


def test_text_of_models_is_printed_without_control_sequences(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--out", "first", "--select", "refund")
    shown = convsim("show", "first", "--full")
    assert "Refunded: \ufffd[31mmoney back please" in shown.out
    assert "\x1b" not in ran.out + ran.err + shown.out + shown.err


def test_json_is_one_object_and_nothing_else(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--json", "--quiet")
    told = json.loads(ran.out)
    assert (ran.code, ran.err) == (3, "")
    assert [one["case_id"] for one in told["sessions"]] == ["refund", "missed", "broken"]
    assert told["totals"]["stop_reasons"] == {
        "goal_achieved": 1,
        "user_left": 1,
        "agent_failed": 1,
    }
    assert told["directory"].startswith("runs/")


def test_quiet_says_only_the_summary(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--quiet", "--out", "first")
    assert ran.err == ""
    assert ran.out.splitlines()[0].startswith("goal achieved in 1 of 3 sessions")
    assert len(ran.out.splitlines()) == 3


def test_progress_goes_to_standard_error_in_plain_lines(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--trials", 10)
    lines = ran.err.splitlines()
    assert len(lines) == 10  # one for each tenth
    assert lines[-1] == "30/30 sessions · 0 running · 40 turns · 10 achieved · 10 failed"


def test_a_class_is_made_anew_for_each_session(convsim, here) -> None:
    convsim("run", "cases.yaml", "--agent", "agents:Counter", "--out", "first", "--trials", 2)
    replies = [record["transcript"][1]["text"] for record in records(here / "first")]
    assert replies == ["call 1"] * 6


def test_models_are_ports_of_ones_own(convsim, here) -> None:
    ran = convsim(
        "run",
        "cases.yaml",
        *SHOP,
        "--user=model",
        "--goal-check=model",
        "--user-model=agents:model",
        "--max-turns=2",
        "--no-overlap",
        "--select=missed",
        "--out=first",
    )
    [record] = records(here / "first")
    assert record["stop_reason"] == "max_turns"
    assert [m["text"] for m in record["transcript"] if m["speaker"] == "user"] == [
        "turn 1",
        "turn 2",
    ]
    assert record["usage"]["cost"] == 1.0
    assert "400 tokens · $1.00" in ran.out


def test_a_judge_that_fails_stops_its_session_or_counts_as_no(convsim, here) -> None:
    told = ["run", "cases.yaml", *SHOP, "--select=missed", "--goal-check=model"]
    told += ["--goal-model=agents:unsure", "--quiet"]
    assert convsim(*told, "--out=a").code == 3
    assert records(here / "a")[0]["stop_reason"] == "goal_check_failed"
    assert convsim(*told, "--on-goal-check-failure=continue", "--out=b").code == 0
    assert records(here / "b")[0]["stop_reason"] == "user_left"


def test_a_budget_ends_what_goes_on_and_keeps_what_is_finished(convsim, here) -> None:
    ran = convsim(
        "run",
        "cases.yaml",
        *SHOP,
        "--user=model",
        "--goal-check=never",
        "--user-model=agents:model",
        "--max-turns=2",
        "--concurrency=1",
        "--max-cost=0.7",
        "--out=first",
    )
    assert ran.code == 0
    reasons = [record["stop_reason"] for record in records(here / "first")]
    assert reasons == ["max_turns", "budget", "budget"]
    assert "goal achieved in 0 of 3 sessions (0 %; 2 cut short)" in ran.out
    assert "the budget of 0.7 US dollars is used up: 0.75 US dollars" in ran.out


def test_retries_are_bounded_and_counted(convsim, here) -> None:
    convsim(
        "run",
        "cases.yaml",
        *SHOP,
        "--user=model",
        "--user-model=agents:limited",
        "--goal-check=never",
        "--select=missed",
        "--retries=1",
        "--out=first",
        "--quiet",
    )
    [record] = records(here / "first")
    assert record["stop_reason"] == "user_failed"
    assert record["usage"]["attempts"] == 2


def test_all_problems_are_told_before_anything_runs(convsim, here) -> None:
    (here / "bad.yaml").write_text("- gaol: x\n- goal: 7\n  scirpt: [a]\n", "utf-8")
    ran = convsim("run", "bad.yaml", "--agent", "agents:shp", "--out", "first")
    assert ran.code == 2
    assert "error: bad.yaml:1: cases[0]: goal is missing" in ran.err
    assert "error: bad.yaml:2: cases[1]: goal is a number (7), expected text" in ran.err
    assert "did you mean 'shop'?" in ran.err
    assert ran.err.endswith("problems; nothing was run\n")
    assert ran.out == ""
    assert not (here / "first").exists()


def test_fields_that_nothing_reads_are_warned_of(convsim, here) -> None:
    (here / "odd.yaml").write_text("- goal: x\n  script: [a]\n  gaol_when: b\n", "utf-8")
    ran = convsim("run", "odd.yaml", *SHOP, "--goal-check", "never")
    assert ran.code == 0
    assert "warning: odd.yaml:3: cases[0]: gaol_when is not a field of a test case" in ran.err
    assert "did you mean 'goal_when'?" in ran.err


def test_a_run_is_never_written_over(convsim) -> None:
    convsim("run", "cases.yaml", *SHOP, "--out", "first")
    ran = convsim("run", "cases.yaml", *SHOP, "--out", "first")
    assert ran.code == 2
    assert "out is 'first', which holds a run already; choose another" in ran.err


def test_check_calls_nothing(convsim, here) -> None:
    (here / "agents.py").write_text("def shop(messages):\n    raise SystemExit(9)\n", "utf-8")
    ran = convsim("check", "cases.yaml", *SHOP, "--trials", 2)
    assert ran.code == 0
    assert "3 cases × 2 trials = 6 sessions; at most 60 agent calls and 0 model calls" in ran.out
    assert "nothing was called" in ran.out
    assert not (here / "runs").exists()


def test_show_prints_one_case_or_all(convsim) -> None:
    convsim("run", "cases.yaml", *SHOP, "--out", "first")
    assert "hello again" in convsim("show", "first", "--full").out
    one = convsim("show", "first", "missed/1").out
    assert "hello again" in one
    assert "money back" not in one
    ran = convsim("show", "first", "mised")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean 'missed'?" in ran.err


def test_show_of_what_is_no_run_says_so(convsim) -> None:
    ran = convsim("show", "nowhere")
    assert ran.code == 2
    assert "run 'nowhere' is no directory; give the directory of a run" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_keeps_what_is_finished(here, environment, number) -> None:
    cases = (here / "cases.yaml").read_text() + "- {id: stuck, goal: x, script: [hang], tags: [h]}"
    (here / "cases.yaml").write_text(cases, "utf-8")
    words = ["run", "cases.yaml", *SHOP, "--goal-check", "when", "--out", "first"]
    (here / "cases.yaml").write_text(cases.replace("tags: [h]", "goal_when: never"), "utf-8")
    running = subprocess.Popen(
        [*COMMAND, *words],
        cwd=here,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    for _ in range(600):
        segments = (here / "first" / "journal").glob("*.jsonl")
        if sum(one.read_text("utf-8").count('"kind":"ended"') for one in segments) == 3:
            break
        time.sleep(0.05)
    os.kill(running.pid, number)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert (
        f"interrupted by {number.name}; still inside the agent or a model: convsim stuck/1" in err
    )
    assert "cancelled" in out
    reasons = {record["case_id"]: record["stop_reason"] for record in records(here / "first")}
    assert reasons == {
        "refund": "goal_achieved",
        "missed": "user_left",
        "broken": "agent_failed",
        "stuck": "cancelled",
    }
    settings = json.loads((here / "first" / "run.json").read_text())
    assert settings["status"] == f"interrupted by {number.name}"


def test_a_locale_without_our_letters_is_no_reason_to_stop(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert ran.code == 3
    assert "goal achieved in 1 of 3 sessions" in ran.out


def test_help_imports_nothing_heavy(here, environment) -> None:
    code = (
        "import sys; sys.argv = ['convsim', *sys.argv[1:]]\n"
        "from convsim_adapters.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)\n"
    )
    for words in (["--help"], ["run", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=environment,
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
        heavy = {"aiohttp", "asyncio", "cattrs", "litellm", "rich", "tenacity", "yaml"}
        assert heavy.isdisjoint(done.stderr.split())
        assert "Usage: convsim" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_it(convsim, shell) -> None:
    assert "_CONVSIM_COMPLETE" in convsim("completion", shell).out


def test_completion_knows_the_options(convsim) -> None:
    ran = convsim(
        _CONVSIM_COMPLETE="bash_complete", COMP_WORDS="convsim run --max-t", COMP_CWORD="2"
    )
    assert ran.out.split() == ["plain,--max-turns", "plain,--max-tokens"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "cases.yaml"], "Missing option '--agent'"),
        (["run", *SHOP], "Missing argument 'CASES...'"),
        (["run", "nowhere.yaml", *SHOP], "nowhere.yaml"),
        (["run", "cases.yaml", *SHOP, "--user-param", "temperature"], "write NAME=VALUE"),
        (["run", "cases.yaml", *SHOP, "--user-param", "a=1", "--user-param", "a=2"], "twice"),
        (["run", "cases.yaml", "--agent", "shop.py"], "expected package.module:attribute"),
        (["rnu"], "No such command 'rnu'"),
    ],
)
def test_what_newcomers_get_wrong_is_told_in_words(convsim, words, told) -> None:
    ran = convsim(*words)
    assert ran.code == 2
    assert told in ran.err
    assert "Traceback" not in ran.err


MODEL = ("--user=model", "--goal-check=never", "--select=missed", "--out=first")


@pytest.mark.parametrize("port", ["hangs", "ahangs"])
def test_a_model_of_ones_own_that_hangs_has_timed_out(convsim, here, port) -> None:
    words = ("--user-model", f"agents:{port}", "--timeout=0.2", "--retries=1")
    assert convsim("run", "cases.yaml", *SHOP, *MODEL, *words).code == 3
    [record] = records(here / "first")
    assert record["detail"] == "timed_out: no answer in 0.2 s (after 2 attempts)"


@pytest.mark.parametrize("budget", ["--max-cost=0.01", "--max-tokens=1"])
def test_a_budget_that_could_not_see_says_so(convsim, budget) -> None:
    words = ("--user-model=agents:silent", "--max-turns=2", budget)
    ran = convsim("run", "cases.yaml", *SHOP, *MODEL, *words)
    assert ran.code == 0
    name = budget.partition("=")[0].lstrip("-").replace("-", "_")
    assert f"warning: {name} did not see 2 of the answers of models" in ran.err


def test_a_secret_of_the_environment_is_in_no_file_and_not_on_the_screen(convsim, here) -> None:
    words = ("--user-model=agents:tells", "--out=first")
    ran = convsim("run", "cases.yaml", *SHOP, *MODEL[:3], *words, SOME_API_KEY="canary-0123")
    assert "bad key (secret)" in ran.out
    assert "canary" not in ran.out + ran.err
    assert not any(
        "canary" in file.read_text() for file in (here / "first").rglob("*") if file.is_file()
    )


def test_what_nobody_may_catch_ends_the_command_but_not_as_a_missed_rate(convsim, here) -> None:
    ran = convsim("run", "cases.yaml", "--agent=agents:stops", "--out=first")
    assert ran.code == 3
    assert json.loads((here / "first" / "run.json").read_text())["status"] == "Stop stopped it"


def test_what_an_agent_prints_is_not_what_the_command_says(convsim) -> None:
    ran = convsim("run", "cases.yaml", "--agent=agents:chatty", "--json", "--select=refund")
    assert json.loads(ran.out)["totals"]["goal_achieved"] == 1
    assert "NOISE" in ran.err


def test_an_agent_that_cannot_be_called_is_refused_at_once(convsim) -> None:
    ran = convsim("check", "cases.yaml", "--agent=agents:Mute")
    assert ran.code == 2
    assert "agent is the class Mute, whose instances cannot be called" in ran.err


def test_whoever_reads_the_output_may_stop_reading(here, environment) -> None:
    words = " ".join([*COMMAND, "run", "cases.yaml", *SHOP, "--trials=200", "--out=first"])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {words} | head -1"],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr  # as without the pipe
    assert "Traceback" not in done.stderr
    assert len(records(here / "first")) == 600


def test_the_demo_exits_like_a_run(convsim) -> None:
    assert convsim("demo", "--out", "first").code == 0
    ran = convsim("demo", "--out", "first")
    assert ran.code == 2
    assert "holds a run already" in ran.err


def test_a_password_in_a_wrong_address_is_not_shown(convsim) -> None:
    ran = convsim("run", "cases.yaml", "--agent", "http://u:canarypw@127.0.0.1:99999/v1?k=canary2")
    assert ran.code == 2
    assert "canary" not in ran.out + ran.err


def test_parameters_without_a_model_to_go_to_are_refused(convsim) -> None:
    ran = convsim("run", "cases.yaml", *SHOP, "--user-param=temperature=1", "--goal-param=a=1")
    assert ran.code == 2
    assert "user_params are given without a model for them" in ran.err
    assert "goal_params are given without the name of a model" in ran.err
