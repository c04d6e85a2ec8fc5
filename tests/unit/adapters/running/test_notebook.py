"""Runs as notebooks show them: nothing of others acts, and what is not shown is counted."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import Run, SessionResult, Usage, simulate
from convsim_adapters.running.notebook import html_of_run, html_of_session, words_of_run
from convsim_fp.core import Message, StopReason, ToolCall, Verdict

OWN = frozenset("bdi dd details div dl dt p span strong style summary table tbody td th".split())
OWN |= {"thead", "tr"}
ATTACKS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></details></td><svg onload=alert(1)>",
    "<!--",
    "]]>",
    "&lt;b&gt; &amp; $x$ \\(y\\)",
    "\ud800\x00\x1b[31m\u202e",
)

texts = st.text(max_size=20) | st.sampled_from(ATTACKS)
calls = st.builds(ToolCall, texts, st.none() | st.dictionaries(texts, texts, max_size=2), texts)
messages = st.builds(
    Message, st.sampled_from(("user", "agent")), texts, st.lists(calls, max_size=2).map(tuple)
)
verdicts = st.builds(Verdict, st.booleans(), texts, st.booleans())
results = st.builds(
    SessionResult,
    case_id=texts,
    trial=st.integers(1, 3),
    goal=texts,
    stop_reason=st.sampled_from(StopReason),
    detail=texts,
    why=texts,
    turns=st.integers(0, 4),
    transcript=st.lists(messages, max_size=4).map(tuple),
    verdict=st.none() | verdicts,
    usage=st.builds(Usage, cost=st.none() | st.floats(0, 9)),
    seconds=st.just(0.0),
    verdicts=st.lists(verdicts, max_size=4).map(tuple),
)
runs = st.builds(
    Run,
    st.lists(results, max_size=4).map(tuple),
    directory=st.none() | texts.map(Path),
    interrupted=st.none() | texts,
    unsaved=st.none() | texts,
    doubts=st.lists(texts, max_size=2).map(tuple),
    unfinished=st.integers(0, 2),
)

ENDED = SessionResult(
    "refund", 1, "a refund", StopReason.MAX_TURNS, "", "no refund", 1, (), None, Usage(), 1.0
)


class Page(HTMLParser):
    """Which tags and attributes a page has, what it says, and whether each tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data) -> None:
        raise AssertionError(data)

    def handle_data(self, data) -> None:
        if self.open[-1:] != ["style"]:
            self.said.append(data)


def said(text: str) -> str:
    return "\n".join(Page(text).said)


def is_sound(text: str) -> None:
    page = Page(text)
    assert not page.open
    assert {tag for tag, _ in page.tags} <= OWN
    for _, attributes in page.tags:
        assert not {"src", "href", "id"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    assert text.isascii() or text.encode()  # no half character


@given(runs)
def test_what_others_wrote_makes_no_tag(run) -> None:
    """Law: whatever is said, the page has our own tags only, each closed, and no address."""
    is_sound(html_of_run(run))


@given(results)
def test_what_others_wrote_makes_no_tag_in_a_session(one) -> None:
    is_sound(html_of_session(one))


def test_dollars_and_backslashes_make_no_formulas() -> None:
    (_, attributes), *_ = Page(html_of_run(Run((ENDED,)))).tags
    assert attributes["class"] == "convsim tex2jax_ignore mathjax_ignore"


def test_what_failed_comes_first_then_what_missed_its_goal() -> None:
    ends = ("goal_achieved", "budget", "max_turns", "agent_failed")
    ended = tuple(evolve(ENDED, case_id=one, stop_reason=StopReason(one)) for one in ends)
    names = [one for one in Page(html_of_run(Run(ended))).said if one in ends]
    assert names == ["agent_failed", "max_turns", "budget", "goal_achieved"]


def test_a_verdict_stands_at_the_end_of_its_turn() -> None:
    case = {"goal": "a refund", "script": ["Money?", "Please."], "goal_when": "refunded"}
    case["history"] = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hi!"}]
    answers = {"Money?": "Which order?", "Please.": "It is refunded."}
    run = simulate([case], lambda messages: answers[messages[-1]["content"]], save=False)
    words = said(html_of_session(run.sessions[0])).splitlines()
    assert words[words.index("user") :] == [
        *("user", "Hi.", "agent", "Hi!"),
        *("1 user", "Money?", "agent", "Which order?"),
        *("goal check", "no: no message of the agent matches 'refunded'"),
        *("2 user", "Please.", "agent", "It is refunded."),
        *("goal check", "yes: the agent wrote 'refunded'"),
    ]


def test_a_call_of_a_tool_is_shown_with_its_arguments() -> None:
    called = Message("agent", "", (ToolCall("refund", {"order": "W7"}, "1"),))
    told = said(html_of_session(evolve(ENDED, transcript=(called,))))
    assert 'refund({"order": "W7"})' in told


def test_many_sessions_are_shown_in_part_and_the_rest_is_counted() -> None:
    page = html_of_run(Run((ENDED,) * 1234))
    assert page.count("<details>") == 200
    assert "200 sessions are shown, and 1,034 are not, failures first" in said(page)


def test_what_is_too_long_says_where_it_is() -> None:
    long = evolve(ENDED, transcript=(Message("agent", "x" * 900_000),))
    page = html_of_run(Run((long, long, ENDED)))
    assert len(page) < 1_100_000
    assert "Too long to be shown here: .sessions[1].transcript" in said(page)
    assert said(page).count("goal: ") == 2


def test_a_reason_that_is_cut_in_its_row_is_whole_in_what_opens() -> None:
    long = "so " * 200
    assert f"{'so ' * 199}so" in said(html_of_run(Run((evolve(ENDED, why=long),))))


def test_trials_have_their_names_and_make_the_interval_doubtful() -> None:
    told = said(html_of_run(Run((ENDED, evolve(ENDED, trial=2)))))
    assert "refund/2" in told
    assert "trials of one case are alike" in told


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (Run((ENDED,), interrupted="SIGINT"), "Interrupted by SIGINT"),
        (Run((), unfinished=2), "2 sessions more: no end recorded"),
        (Run((), unsaved="runs/1: No space left on device"), "No space left on device"),
        (Run((), doubts=("max_cost did not see 2",)), "Mind that max_cost did not see 2."),
        (Run((), Path("runs/one")), "files: runs/one"),
        (Run((ENDED,), seconds=1.25), "1.2 s"),
        (Run(()), "no session has ended"),
    ],
)
def test_what_a_reader_of_the_figures_should_know_is_said(run, words) -> None:
    assert words in said(html_of_run(run))


def test_what_it_cost_is_said_where_models_were_asked() -> None:
    paid = evolve(ENDED, usage=Usage(requests=2, input_tokens=900, output_tokens=12, cost=0.5))
    assert "912 tokens · $0.5000" in words_of_run(Run((paid,)))
    assert "tokens" not in words_of_run(Run((ENDED,)))


def test_runs_and_sessions_show_themselves() -> None:
    class Printer:
        told = ""

        def text(self, text: str) -> None:
            self.told += text

    run, printer = Run((ENDED,)), Printer()
    assert run._repr_html_() == html_of_run(run)
    assert ENDED._repr_html_() == html_of_session(ENDED)
    run._repr_pretty_(printer, False)
    run._repr_pretty_(printer, True)
    assert printer.told == (
        "goal achieved in 0 of 1 session (0 %; 95 % interval 0 to 79 %) · 1 turn\n"
        "stop reasons: max_turns 1Run(…)"
    )


def test_a_run_is_a_frame_of_its_sessions_or_of_its_turns() -> None:
    pytest.importorskip("pandas", reason="needs convsim-fp[pandas]")
    run = Run((evolve(ENDED, transcript=(Message("user", "Hi."), Message("agent", "Hi."))),))
    assert run.to_frame()["stop_reason"].tolist() == ["max_turns"]
    assert run.to_frame(by="turn")["agent"].tolist() == ["Hi."]
