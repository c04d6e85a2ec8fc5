"""Nothing that a model, an agent or a case has written acts in the report; and all can use it."""

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from recorded import BEGAN, case

from convsim_adapters.report import write_report
from convsim_fp.core import (
    AgentReplied,
    Failed,
    Failure,
    Generated,
    Interrupted,
    Lane,
    Message,
    RequestId,
    Session,
    Stopped,
    StopReason,
    ToolCall,
    Verdict,
    freeze_object,
)
from convsim_fp.interpreters import Facts
from convsim_fp.journal import Asked, Begun, Ended, EntryRecord, Parent
from convsim_fp.testing.playing import HEADER, segment_of

HIT = "window.hit=1"
CORPUS = (
    f"</script><script>{HIT}</script>",
    f"<img src=x onerror={HIT}>",
    f'"><svg onload={HIT}>',
    f"' onfocus={HIT} autofocus tabindex=1 x='",
    f'<a href="javascript:{HIT}">x</a>',
    f"javascript:{HIT}",
    f"<iframe srcdoc='<script>parent.{HIT}</script>'></iframe>",
    f"<!--<script>{HIT}//-->",
    f"<!--<script></script><script>{HIT}</script>",
    f"<style>*{{display:none}}</style><script>{HIT}</script>",
    f"<meta http-equiv=refresh content='0;url=javascript:{HIT}'>",
    "<base href='http://127.0.0.1:9/'><form action=x><button>",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    f"]]><math><mtext></table><mglyph><style><img src=x onerror={HIT}>",
    "\u2028\u2029\x00\ud800</title></textarea></noscript></svg>",
    f"&lt;script&gt;{HIT}&lt;/script&gt;",
    f"\\u003cscript>{HIT}\\u003c/script>",
    "../../%2e%2e/#a/b?c",
)


def hostile(text: str, at: int) -> list[Any]:
    """The records of a session in which every text is this one."""
    name = f"{text}/{at}"
    call = ToolCall(text, {text: [text]}, text)
    its = case(
        f"{at}{text}",
        text + ".",
        persona=text,
        simulation_guidelines=[text],
        context={f"x{text}": text},
        expectations={f"x{text}": text},
        tags=(text,),
        extra={f"x{text}": {text: text}},
        history=[{"role": "user", "content": text}, {"role": "assistant", "content": text}],
    )
    facts = Facts(cost=0.1, attempts=2, errors=(f"{text}: {text}", text), trace_id=text)
    users, agents, judges = (RequestId(1, lane) for lane in Lane)
    after, beyond = evolve(users, nth=1), evolve(users, turn=2)
    asked = Asked("user", text, text, freeze_object({text: text}))
    again = Asked("user", f"Your last reply could not be used: {text}. Try again.\n", text)
    said = (Message("user", text), Message("agent", text, (call,)))
    replied = AgentReplied(agents, text, tool_calls=(call,))
    failure = Failure(text, text)
    reasons = (StopReason.AGENT_FAILED, StopReason.USER_FAILED, StopReason.GOAL_CHECK_FAILED)
    end = Stopped(reasons[at % 3], 1, text, failure)
    return [
        Begun(Session(name, 1, 7), its, parent=Parent(text, text, 1)),
        EntryRecord(name, Generated(users, text), "d", 2, (), asked, facts),
        EntryRecord(name, Generated(after, text + "!"), "d", 2, (), again, facts),
        EntryRecord(name, replied, "d", 2, said[:1], None, facts),
        EntryRecord(name, Failed(judges, failure), "d", 4, (), asked, facts),
        EntryRecord(name, Generated(beyond, text), "d", 4, (), asked, facts, wasted=True),
        EntryRecord(name, Interrupted("budget", text)),
        Ended(name, end, (Verdict(achieved=False, rationale=text),), 4, ()),
    ]


@pytest.fixture(scope="module")
def hostile_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Reports of a run of such sessions, and of two, in directories of such names."""
    here = tmp_path_factory.mktemp("hostile")
    records = [record for at, text in enumerate(CORPUS) for record in hostile(text, at)]
    settings = freeze_object({CORPUS[0]: CORPUS[1], "agent": CORPUS[2]})
    runs = []
    for name in ("<img src=x onerror=hit=1>", "'\"><script>hit=1<"):
        header = evolve(HEADER, began=CORPUS[1], convsim=CORPUS[0], settings=settings)
        run = here / name
        (run / "journal").mkdir(parents=True)
        (run / "journal" / "0001.jsonl").write_text(segment_of(records, header=header), "ascii")
        (run / "run.json").write_text('{"status": "<img src=x onerror=hit=1>", "began": "<b>"}')
        runs.append(run)
    return write_report(runs[0]), write_report(*runs, out=here / "two.html")


ACTING = "img, iframe, base, object, embed, math, mglyph, body meta, body style, body link"
ACTED = """async (acting) => {
  for (let depth = 0; depth < 3; depth += 1) {
    for (const one of document.querySelectorAll("#session details")) one.open = true;
    await new Promise((done) => setTimeout(done, 10));
  }
  const acts = (it) => it.name.startsWith("on") || it.name === "style"
    || (it.name === "href" && !it.value.startsWith("#"));
  const all = [...document.querySelectorAll("body *")];
  const odd = all.filter((one) => one.matches(acting) || [...one.attributes].some(acts));
  const scripts = [...document.scripts].filter((one) => one.type !== "application/json");
  return [window.hit ?? null, odd.map((one) => one.outerHTML), scripts.length];
}"""


@pytest.mark.parametrize("which", [0, 1])
def test_nothing_that_was_written_acts(opened, hostile_runs: tuple[Path, Path], which: int) -> None:
    page = opened(hostile_runs[which])
    assert page.evaluate(ACTED, ACTING) == [None, [], 1]
    for at in range(len(CORPUS)):
        page.keyboard.press("j")
        assert page.evaluate(ACTED, ACTING) == [None, [], 1], CORPUS[at]
        if at < 2 and which == 0:
            assert CORPUS[at] in page.inner_text("#session")
    page.fill("#query", "onerror")
    page.dispatch_event("#query", "search")
    assert page.locator("#rows mark").count() > 0
    assert page.evaluate(ACTED, ACTING)[0] is None


def test_the_policy_keeps_a_planted_script_and_style_from_acting(
    browser: Any, opened, places, tmp_path: Path
) -> None:
    """Were there a hole, there would still be the policy."""
    page = places("one").read_text("utf-8")
    planted = page.replace(
        "<main",
        f"<script>{HIT}</script><img src=x onerror={HIT}><b style='color:red'>b</b><main",
        1,
    )
    (tmp_path / "planted.html").write_text(planted, "utf-8")
    there = browser.new_page()
    told: list[str] = []
    there.on("console", lambda message: told.append(message.text))
    there.goto((tmp_path / "planted.html").as_uri())
    assert there.evaluate("window.hit ?? null") is None
    assert sum("Content Security Policy" in one for one in told) >= 3
    there.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("name", "at"), [("one", ""), ("one", "#refund%2F1/3"), ("two", "#asked-again%2F1")]
)
def test_an_accessibility_check_finds_nothing(opened, name: str, at: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe, of dev")
    page = opened(name, at, color_scheme=scheme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true;")
    # Of the two schemes only colours differ.
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    found = axe.Axe().run(page, options=rules).response
    assert [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]] == []
    assert len(found["passes"]) >= (1 if rules else 20)


def test_changes_are_announced_and_parts_have_names(opened) -> None:
    page = opened("one", "#refund%2F1")
    assert page.get_attribute("#count", "role") == "status"
    assert (
        page.locator("header, main, aside[aria-label], form[role=search], nav[aria-label]").count()
        >= 5
    )
    assert page.locator("#turn-3").get_attribute("aria-labelledby") == "turn-3-title"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_the_skip_link_leads_past_the_list(opened) -> None:
    page = opened("one")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_without_scripts_the_overview_stands(opened) -> None:
    page = opened("one", java_script_enabled=False)
    assert "goal achieved in 5 of 12 sessions" in page.inner_text("header.top")
    assert "need JavaScript" in page.inner_text("noscript")
    assert BEGAN[:4] in page.inner_text("header.top")
