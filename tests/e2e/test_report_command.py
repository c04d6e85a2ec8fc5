"""The report from the command: of a run, of two, at the end of one."""

import os


def test_a_run_is_reported_and_two_are(convsim, here) -> None:
    for name in ("one", "two"):
        convsim("run", "cases.yaml", "--agent", "agents:shop", "--out", name, "--quiet")
    ran = convsim("report", "one")
    assert (ran.code, ran.out, ran.err) == (0, f"{os.path.join('one', 'report.html')}\n", "")  # noqa: PTH118
    assert "RuntimeError: no such order" in (here / "one" / "report.html").read_text("utf-8")
    ran = convsim("report", "one", "two", "--out", "both.html")
    assert (ran.code, ran.out) == (0, "both.html\n")
    assert "0 ended otherwise" in (here / "both.html").read_text("utf-8")


def test_a_run_reports_at_its_end_and_its_exit_code_stays(convsim, here) -> None:
    words = ("run", "cases.yaml", "--agent", "agents:shop", "--out", "run", "--quiet", "--report")
    ran = convsim(*words, "--json")
    assert ran.code == 3  # one agent crashed
    assert ran.out.startswith('{"directory"')
    assert f"report: {os.path.join('run', 'report.html')}" in ran.err  # noqa: PTH118
    assert (here / "run" / "report.html").exists()


def test_what_cannot_be_reported_is_told(convsim) -> None:
    ran = convsim("report", "nowhere")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: run 'nowhere' is no directory; give the directory of a run\n"
    assert convsim("report").code == 2


def test_its_help_is_there(convsim) -> None:
    ran = convsim("report", "--help")
    assert ran.code == 0
    assert "--open" in ran.out
