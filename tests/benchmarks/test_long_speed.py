"""Whether a turn costs the same late in a long conversation; the table goes to the docs."""

import json
import subprocess
import sys
from statistics import median

import pytest
from attrs import frozen
from measuring import BARE, SETTING, Work, serving

pytestmark = pytest.mark.benchmark

TABLE = "long"
ROWS: list[tuple[str, str, str, str]] = []
LONG = Work(sessions=4, turns=200, at_once=4, model=0.0, agent=0.0)
SIZES = (50, 100, 200)  # turns
RUNS = 5

# The last of the sessions to come to a turn leaves its time; they go on side by side.
MARKS = """
import tempfile
marks = {}

def told_turns():
    def ms(a, b):
        return (marks[b] - marks[a]) / (b - a) / SESSIONS * 1000
    print(json.dumps([ms(10, 30), ms(TURNS - 20, TURNS)]))
"""

RUN = """
from convsim_adapters import simulate
from convsim_fp.interpreters import Facts, Reply

def sink(entry):
    if entry.request is not None and entry.request.id.lane.value == "agent":
        marks[entry.request.id.turn] = mark()

def run(user_model, agent, turns):
    goals = [{"goal": f"get the money back for order {n}"} for n in range(SESSIONS)]
    models = {"user_model": user_model, "out": tempfile.mkdtemp() + "/run"}
    done = simulate(goals, agent, max_turns=turns, sink=sink, **models)
    assert done.stop_reasons == {"max_turns": SESSIONS}, done.stop_reasons
"""

FUNCTIONS = """
SAID = Facts(input_tokens=90, output_tokens=10, cost=0.001)

async def model(request):
    if request.prompt.schema:
        return Reply('{"rationale": "It is not paid back.", "result": "no"}', SAID)
    number = f"{request.case.goal[-1]}{len(request.prompt.transcript)}"
    return Reply(f"It is about my order, number {number}. " * 4, SAID)

async def agent(messages):
    return f"Which order is it, please? I have {len(messages)} of them. " * 3

run(model, agent, 3)
"""

IN_MEMORY = f"""{SETTING}
mark = cpu
{MARKS}{RUN}{FUNCTIONS}
run(model, agent, TURNS)
told_turns()
"""

HELD = f"""{SETTING}
import tracemalloc
def mark():
    return tracemalloc.get_traced_memory()[1]
{MARKS}{RUN}{FUNCTIONS}
tracemalloc.start()
run(model, agent, TURNS)
print(json.dumps([marks[turn] / 1e6 for turn in {SIZES}]))
"""

DIRECT = """
mark = cpu
run("openai/gpt-4o-mini", answer, 3)
run("openai/gpt-4o-mini", answer, TURNS)
told_turns()
"""

BARE_TURNS = """
import aiohttp
URL = os.environ["OPENAI_API_BASE"] + "/chat/completions"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer none"}

async def main():
    asked = list(prompts())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async def call(messages, form):
            body = {"model": "gpt-4o-mini", "messages": messages}
            if form:
                body["response_format"] = form
            async with http.post(URL, data=json.dumps(body), headers=HEADERS) as response:
                assert response.status == 200
                json.loads(await response.read())

        async def talk():
            for turn in range(1, TURNS + 1):
                await asyncio.gather(call(*asked[2 * turn - 2]), call(*asked[2 * turn - 1]))
                await answer([])
                marks[turn] = cpu()

        await asyncio.gather(*(talk() for _ in range(SESSIONS)))

asyncio.run(main())
told_turns()
"""


@frozen
class Turn:
    """Milliseconds of the processor for a turn, at the turns 10–30 and at the last twenty."""

    early: float
    late: float

    def __str__(self) -> str:
        return f"{self.early:.2f} → {self.late:.2f} ms"


def told(script: str, base: str = "") -> list[float]:
    """What one process tells at its end."""
    words = [sys.executable, "-c", script, base, *map(str, (LONG.sessions, LONG.turns))]
    words += [str(LONG.at_once), str(LONG.agent)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def middle(each: list[list[float]]) -> Turn:
    return Turn(*(median(values) for values in zip(*each, strict=True)))


def name(what: str) -> str:
    return f"{LONG.sessions} × {LONG.turns} turns, {what}"


def test_a_late_turn_in_memory() -> None:
    ours = middle([told(IN_MEMORY) for _ in range(RUNS)])
    ratio = ours.late / ours.early
    what = "models and agent are functions, recorded: a turn at 10–30 → 180–200"
    ROWS.append((name(what), "≤ 1.5 ×", f"{ours} = {ratio:.2f} ×", ""))
    assert ratio <= 2


def test_a_late_turn_over_the_wire() -> None:
    scripts = {"ours": SETTING + MARKS + RUN + DIRECT, "bare": SETTING + MARKS + BARE + BARE_TURNS}
    with serving(LONG.model) as base:
        each = [{one: told(script, base) for one, script in scripts.items()} for _ in range(RUNS)]
    ours, bare = (middle([run[one] for run in each]) for one in ("ours", "bare"))
    wire = bare.late - bare.early
    ratio = (ours.late - wire) / ours.early
    aim = "≤ 1.5 ×, less what the bare loop grows by"
    floor = f"a bare loop that sends the same: {bare}"
    measured = f"{ours}, less {wire:.2f} ms = {ratio:.2f} ×"
    ROWS.append((name("direct client, recorded: the same"), aim, measured, floor))
    assert ratio <= 2


def test_what_a_long_conversation_holds() -> None:
    few, some, many = told(HELD)
    first, later = (
        (b - a) / (t - s) for a, b, s, t in ((few, some, 50, 100), (some, many, 100, 200))
    )
    measured = f"{few:.1f} / {some:.1f} / {many:.1f} MB = {later / first:.2f} ×"
    what = "peak memory at 50 / 100 / 200 turns; a turn after 100 over one before"
    ROWS.append((name(what), "≤ 1.3 ×", measured, ""))
    assert later <= 1.3 * first
