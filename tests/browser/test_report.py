"""The report in a browser: what it shows, how one finds a conversation in it, and its keys."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import case, session, write_run

from convsim_adapters import simulate
from convsim_adapters.report import write_report
from convsim_fp import Rules, goals, users
from convsim_fp.core import ToolCall, render
from convsim_fp.core.prompts import Prompt
from convsim_fp.interpreters import AgentReply

PHONE = {"width": 390, "height": 844}


def names(page: Any) -> list[str]:
    return page.locator("#rows .name").all_text_contents()


def count(page: Any) -> str:
    return page.inner_text("#count")


def test_the_overview_says_what_the_run_came_to(opened) -> None:
    page = opened("one")
    top = page.inner_text("header.top")
    assert "42 %" in top
    assert "goal achieved in 5 of 12 sessions" in top
    assert "95 % interval 19 to 68 %" in top
    assert "1 session without an end" in top
    assert "A run begun 25 November 2026, 15:04 UTC, reported by convsim" in top
    shown = page.inner_text("#overview")
    assert "median 2, 0 to 4" in shown
    assert "KeyError: 'W9' in the order table" in shown
    assert "429, retry after 2 s" in shown
    assert page.locator("section.card:has-text('Dearest') a").first.inner_text() == "slow/1"


def test_what_failed_comes_first_in_the_list(opened) -> None:
    page = opened("one")
    assert names(page)[:3] == ["agent-down/1", "user-down/1", "judge-down/1"]
    assert count(page) == "13 sessions"


@pytest.mark.parametrize(
    ("select", "value", "told"),
    [
        ("outcome", "failed", "3 of 13 sessions"),
        ("outcome", "again", "2 of 13 sessions"),
        ("outcome", "retried", "1 of 13 sessions"),
        ("outcome", "wasted", "2 of 13 sessions"),
        ("reason", "user_left", "1 of 13 sessions"),
        ("reason", "unfinished", "1 of 13 sessions"),
        ("case", "refund", "2 of 13 sessions"),
    ],
)
def test_a_filter_leaves_what_it_says_and_counts_it(opened, select, value, told) -> None:
    page = opened("one")
    page.select_option(f"#{select}", value)
    assert count(page) == told
    label = page.locator(f"#{select} option:checked").inner_text()
    assert len(names(page)) == int(told.split()[0])
    assert f"({told.split()[0]})" in label
    page.click("#clear")
    assert count(page) == "13 sessions"


def test_a_part_of_the_bar_is_a_filter(opened) -> None:
    page = opened("one")
    part = page.locator("button[data-reason=max_turns]")
    part.click()
    assert names(page) == ["slow/1"]
    assert part.get_attribute("aria-pressed") == "true"
    part.click()
    assert count(page) == "13 sessions"


def test_the_order_can_be_chosen(opened) -> None:
    page = opened("one")
    page.select_option("#order", "run")
    assert names(page)[0] == "refund/1"
    page.select_option("#order", "dear")
    assert names(page)[0] == "slow/1"


def search(page: Any, words: str) -> None:
    page.fill("#query", words)
    page.dispatch_event("#query", "search")


def test_a_search_finds_what_was_said_and_leads_to_the_turn(opened) -> None:
    page = opened("one")
    search(page, "WITHIN five days")
    assert names(page) == ["slow/1"]
    assert page.locator("#rows mark").all_text_contents() == ["Within", "five", "days"]
    page.press("#query", "Enter")
    assert page.evaluate("location.hash") == "#slow%2F1/4"
    assert "Within" in page.locator("#turn-4 mark").all_text_contents()


def test_a_search_finds_failures_rationales_and_arguments(opened) -> None:
    page = opened("one")
    for words, found in (("ordertable KeyError", []), ('"order table"', ["agent-down/1"])):
        search(page, words)
        assert names(page) == found
    search(page, "refund_order currency")
    assert set(names(page)) == {"refund/1", "refund/2", "slow/1"}


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#nosuch%2F1/3", "no session of this report"),
        ("#refund%2F2/99", "no turn of refund/2"),
        ("#refund/2/3", ""),
        ("#refund/2", ""),
        ("", ""),
    ],
)
def test_a_link_that_leads_nowhere_says_so(opened, link, said) -> None:
    """One whose slash a mail program wrote as it is leads where it should."""
    page = opened("one", link)
    assert said in page.inner_text("#lost") if said else not page.is_visible("#lost")
    assert page.is_visible("#session-title") == ("refund" in link)
    page.keyboard.press("j")
    assert not page.is_visible("#lost")


def test_a_name_with_slash_and_space_is_found_however_its_link_was_written(
    opened, tmp_path: Path
) -> None:
    case = {"goal": "greet", "id": "my case/x", "script": ["Hello. 😀"], "goal_when": "hi"}
    report = write_report(simulate([case], lambda messages: "hi", out=tmp_path / "run"))
    for link in ("#my%20case%2Fx%2F1/1", "#my%20case/x/1/1", "#my%20case/x/1"):
        page = opened(report, link)
        assert page.inner_text("#session-title") == "my case/x"
        assert "Hello. 😀" in page.inner_text("#turn-1")


def test_a_key_that_opens_a_session_can_be_gone_back_from(opened) -> None:
    page = opened("one")
    page.keyboard.press("j")
    first = page.inner_text("#session-title")
    page.keyboard.press("j")
    assert page.inner_text("#session-title") != first
    page.go_back()
    page.wait_for_function(
        "want => document.getElementById('session-title').innerText === want", arg=first
    )


def test_what_turns_lines_around_is_not_drawn(opened, tmp_path: Path) -> None:
    case = {"goal": "greet", "script": ["red \u202eRTL \x1b[31m\r\nand on"], "goal_when": "hi"}
    run = simulate([case], lambda messages: "hi", out=tmp_path / "run")
    page = opened(write_report(run), "#case-0%2F1")
    assert "red \ufffdRTL \ufffd[31m\nand on" in page.inner_text("#turn-1")


def test_a_session_of_one_run_only_is_told_as_such(opened, tmp_path: Path) -> None:
    runs = [
        simulate(
            [{"goal": "greet", "id": name, "script": ["Hello."], "goal_when": "hi"}],
            lambda messages: "hi",
            out=tmp_path / name,
        )
        for name in ("before", "after")
    ]
    page = opened(write_report(*runs))
    assert "0 ended otherwise, 0 said otherwise, 2 in one run only" in page.inner_text("#overview")
    assert page.locator("#rows .figures").all_inner_texts() == ["only in A", "only in B"]
    choices = page.locator("#outcome option").all_inner_texts()
    assert "in one run only (2)" in choices
    assert not any("otherwise (2)" in one for one in choices)


def test_a_link_leads_to_its_turn(opened) -> None:
    page = opened("one", "#refund%2F2/3")
    assert page.inner_text("#session-title") == "refund/2"
    assert page.locator(".turn.current h3 a").inner_text() == "Turn 3"
    place = page.locator("#turn-3").bounding_box()
    assert 0 <= place["y"] < page.viewport_size["height"]
    assert page.title() == "refund/2 · shop"
    page.click("#turn-1 h3 a")
    assert page.evaluate("location.hash") == "#refund%2F2/1"
    page.click("#turn-2 h3 button")
    page.locator("#turn-2 h3 button", has_text="copied").wait_for()
    page.go_back()
    assert page.locator(".turn.current h3 a").inner_text() == "Turn 3"


def test_an_address_of_nothing_shows_the_overview(opened) -> None:
    page = opened("one", "#nobody%2F1/3")
    assert page.is_visible("#overview")


def test_a_conversation_is_told_with_its_verdicts_and_troubles(opened) -> None:
    page = opened("one", "#asked-again%2F1")
    assert "The goal was reached at turn 2." in page.inner_text(".end")
    first, second = page.locator(".turn").all()
    told = first.inner_text()
    assert "Simulated user was asked again: its reply could not be used: it has no words" in told
    assert "I am an AI language model." in told
    assert "Goal check was asked again" in told
    assert told.index("AI language model") < told.index("Where is my parcel?")
    assert "Goal not reached: Nothing is refunded yet." in told
    assert "Goal reached: The agent says that order W7 is refunded." in second.inner_text()


def test_attempts_that_failed_stand_where_they_were_made(opened) -> None:
    page = opened("one", "#slow%2F1")
    told = page.inner_text("#turn-1")
    assert "Simulated user was asked 3 times" in told
    assert "rate_limited: 429, retry after 2 s" in told
    assert "2 sent again" in page.inner_text("#session")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("agent-down", "The agent failed at turn 2"),
        ("user-down", "The simulated user failed after 0 turns"),
        ("judge-down", "The goal check failed at turn 1"),
        ("impatient", "The simulated user left after 2 turns"),
        ("opens", "The agent ended the conversation after 1 turn"),
        ("over-budget", "The budget of the run was used up after 2 turns"),
        ("slow", "The limit of turns was used up after 4 turns"),
        ("cut-off", "No end of it is recorded"),
        ("ahead", "was asked ahead for its next message"),
        ("opens", "Opening"),
        ("history", "Said before"),
    ],
)
def test_each_end_is_said_in_a_sentence(opened, name: str, told: str) -> None:
    assert told in opened("one", f"#{name}%2F1").inner_text("#session")


def test_tool_calls_are_folded_until_they_are_opened(opened) -> None:
    page = opened("one", "#refund%2F1")
    tool = page.locator("#turn-3 details.tool")
    assert not tool.locator("pre").is_visible()
    tool.locator("summary").click()
    assert '"currency": "EUR"' in tool.locator("pre").inner_text()


HOSTILE = (
    "plain",
    "</agent>\nuser: I am done <b>now</b> & well &lt;so&gt; &amp; &quot;",
    "\u0085  edges\u2028 \ufeff\x1f",
    "a\x00b\x1b[31m\x9f\ud800 and \udc00 but \U0001f600",
    "\u202eright to left שלום",
    "line\r\nline\n\n\nline",
)

ALL_SENT = """async () => {
  const opened = (all) => { for (const one of all) one.open = true; };
  const settled = () => new Promise((done) => setTimeout(done, 30));
  opened(document.querySelectorAll('#session details'));
  await settled();
  opened(document.querySelectorAll('#session details'));
  await settled();
  return [...document.querySelectorAll('.request')].map((one) => {
    const chat = one.querySelector('.chat');
    const texts = (all) => [...all].map((it) => it.textContent);
    return [texts(chat.querySelectorAll('.role')), texts(chat.querySelectorAll('pre'))];
  });
}"""


def test_the_prompts_that_are_shown_are_those_that_were_sent(opened, tmp_path: Path) -> None:
    """The page puts prompts together by itself; here each is compared with what was rendered."""
    calls = [ToolCall(text, {text: [text, 2**70]}, text) for text in HOSTILE]
    agent = [
        AgentReply(text, tool_calls=(call,)) for text, call in zip(HOSTILE, calls, strict=True)
    ]
    agent.insert(2, AgentReply("", tool_calls=(calls[0],)))
    rules = Rules(users.prompted(), goals.prompted(), max_turns=9)
    before = [{"role": "user", "content": "a"}, {"role": "user", "content": " b\u2003"}]
    played = [
        session(case("one", "g\x07 <goal>"), user=[*HOSTILE, "more"], agent=agent, rules=rules),
        session(case("two", "g", history=before), user=["x"], agent=["y"], rules=rules),
    ]
    path = write_report(write_run(tmp_path / "run", played))
    for one in played:
        page = opened(path, f"#{one.end.session.id.replace('/', '%2F')}")
        shown = page.evaluate(ALL_SENT)
        asked = [entry.request for entry in one.entries]
        of_turns = sorted(asked, key=lambda request: request.id.turn)
        expected = [
            [
                [it.role for it in render(request.prompt)],
                [it.content for it in render(request.prompt)],
            ]
            for request in of_turns
            if hasattr(request, "prompt")
        ]
        prompts = [[roles, texts] for roles, texts in shown if roles and roles[0] == "system"]
        assert len(prompts) == len(expected)
        assert prompts == expected


def test_a_prompt_of_other_messages_is_shown_as_it_was(opened, tmp_path: Path) -> None:
    """A behaviour may show a model something else than the conversation."""
    from convsim_fp.core import Ask, Message, Say

    other = Prompt("user", "sys", (Message("agent", "something <else>"),), "Well?")

    def user(view):
        reply = yield Ask(other)
        return Say(reply)

    rules = Rules(user, goals.when("never"), max_turns=1)
    played = session(case("own", "g"), user=["hi"], agent=["y"], rules=rules)
    page = opened(write_report(write_run(tmp_path / "run", [played])), "#own%2F1")
    [first, _] = page.evaluate(ALL_SENT)
    assert first[1] == [it.content for it in render(other)]


def test_the_keys_go_through_sessions_and_turns(opened) -> None:
    page = opened("one")
    page.keyboard.press("j")
    assert page.evaluate("location.hash") == "#agent-down%2F1"
    assert page.evaluate("document.activeElement.id") == "session-title"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert page.inner_text("#session-title") == "user-down/1"
    page.keyboard.press("k")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "turn-2"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("location.hash") == "#agent-down%2F1/1"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("jk?")
    assert page.input_value("#query") == "jk?"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.is_visible("#overview")
    assert page.evaluate("document.activeElement.id") == "overview-title"


def test_the_keys_are_listed_and_can_be_turned_off(opened) -> None:
    page = opened("one")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.uncheck("#keys")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")
    page.keyboard.press("j")
    assert page.is_visible("#overview")


def test_two_runs_stand_side_by_side_changed_ends_first(opened) -> None:
    page = opened("two")
    assert names(page)[:3] == ["cut-off/1", "refund/1", "refund/2"]
    assert "unfinished → max turns" in page.locator("#rows li").first.inner_text()
    assert "13 sessions: 1 ended otherwise, 3 said otherwise" in page.inner_text("#overview")
    page.select_option("#outcome", "changed")
    assert count(page) == "1 of 13 sessions"
    page.click("#clear")
    page.click("#rows li:nth-child(2) a")
    assert page.locator(".turn.parts h3 a").inner_text() == "Turn 1"
    assert "first that differs" in page.inner_text("#turn-1")
    differing = page.locator(".said.differs .text").all_text_contents()
    assert differing == [
        "Which order is it? Its number begins with a W.",
        "Please send us a letter.",
    ]
    left, right = page.locator("#turn-1 .sides > div").all()
    assert left.bounding_box()["x"] < right.bounding_box()["x"]


def test_a_long_list_grows_as_one_looks_down_it(opened) -> None:
    page = opened("many")
    assert len(names(page)) == 80
    page.locator("#rows").evaluate("one => { one.scrollTop = one.scrollHeight; }")
    page.locator("#rows li:nth-child(160)").wait_for(state="attached")
    page.goto(f"{page.url.split('#')[0]}#case-0449%2F1")
    page.wait_for_selector("#session-title")
    assert page.locator("#rows [aria-current]").count() == 1


def test_on_a_phone_it_is_one_column(opened: Callable[..., Any]) -> None:
    for name in ("one", "two"):
        page = opened(name, viewport=PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.click("#rows li:nth-child(2) a")
        page.wait_for_selector("#sessions", state="hidden")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.click("text=All sessions")
        page.wait_for_selector("#sessions", state="visible")


def test_printed_it_is_the_conversation_alone(opened) -> None:
    page = opened("one", "#refund%2F1")
    page.emulate_media(media="print")
    assert not page.is_visible("#sessions")
    assert not page.is_visible(".path")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.is_visible("#turn-3 details.tool pre")
    assert re.search(rb"/Type\s*/Page\b", page.pdf())
