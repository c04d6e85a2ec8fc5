"""What the benchmarks run in processes of their own: our runs, and bare loops of the same calls."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from attrs import frozen

SERVER = Path(__file__).parents[1] / "loopback" / "server.py"

SETTING = """
import asyncio, json, os, resource, sys, time
os.environ["OPENAI_API_KEY"] = "none"
os.environ["OPENAI_API_BASE"] = sys.argv[1]
SESSIONS, TURNS, CONCURRENCY = map(int, sys.argv[2:5])
AGENT = float(sys.argv[5])
MORE = sys.argv[6:]

def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

def told(begun, used):
    print(json.dumps([time.perf_counter() - begun, cpu() - used]))

async def answer(messages):
    await asyncio.sleep(AGENT)
    return "Which order is it, please?"
"""

# The calls of one conversation, with prompts of the length that ours have.
BARE = """
from convsim_fp import AgentReplied, Generated, Rules, TestCase, goals, start, step, users
from convsim_fp.core import thaw

def form_of(schema):
    form = schema and {"name": "reply", "schema": thaw(schema), "strict": True}
    return form and {"type": "json_schema", "json_schema": form}

def prompts():
    rules = Rules(users.prompted(), goals.prompted(), max_turns=TURNS)
    waiting = start(rules, TestCase(goal="get the money back for order 7"))
    while waiting.requests:
        request = waiting.requests[0]
        if hasattr(request, "prompt"):
            form = form_of(request.prompt.schema)
            yield [message.as_dict() for message in request.messages], form
            text = '{"result": "no"}' if form else "It is about my order, number 7."
            seen = Generated(request.id, text)
        else:
            seen = AgentReplied(request.id, "Which order is it, please?")
        waiting = step(rules, waiting.state, seen)

async def talk(call, asked):
    users, judges = asked[0::2], asked[1::2]
    await call(*users[0])
    for judged, said in zip(judges, [*users[1:], None]):
        await answer([])
        if said is None:
            await call(*judged)
        elif "overlap" in MORE:
            await asyncio.gather(call(*judged), call(*said))
        else:
            await call(*judged)
            await call(*said)

async def work(call, todo, asked):
    while todo:
        todo.pop()
        await talk(call, asked)

async def timed(call):
    asked = list(prompts())
    assert len(asked) == 2 * TURNS
    await call(*asked[0])
    begun, used = time.perf_counter(), cpu()
    todo = list(range(SESSIONS))
    await asyncio.gather(*(work(call, todo, asked) for _ in range(CONCURRENCY)))
    told(begun, used)
"""

BARE_AIOHTTP = (
    SETTING
    + BARE
    + """
import aiohttp

URL = os.environ["OPENAI_API_BASE"] + "/chat/completions"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer none"}

async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async def call(messages, form):
            body = {"model": "gpt-4o-mini", "messages": messages}
            if form:
                body["response_format"] = form
            async with http.post(URL, data=json.dumps(body), headers=HEADERS) as response:
                assert response.status == 200
                told = json.loads(await response.read())
                return told["choices"][0]["message"]["content"]
        await timed(call)

asyncio.run(main())
"""
)

BARE_LITELLM = (
    SETTING
    + BARE
    + """
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
import litellm
litellm.suppress_debug_info = True

async def call(messages, form):
    more = {"response_format": form} if form else {}
    await litellm.acompletion("openai/gpt-4o-mini", messages=messages, max_retries=0, **more)

async def main():
    await timed(call)
    await litellm.close_litellm_async_clients()

asyncio.run(main())
"""
)

# What was imported and connected before does not count, as it does not in the bare loops; but the
# start of other processes does.
OURS = (
    SETTING
    + """
import tempfile
from pathlib import Path
from convsim_adapters import simulate

here = Path(tempfile.mkdtemp())
sys.path.insert(0, str(here))
(here / "desk.py").write_text(f'''
import asyncio
async def answer(messages):
    await asyncio.sleep({AGENT})
    return "Which order is it, please?"
''')
client = "litellm" if "litellm" in MORE else "direct"
if client == "litellm":
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
MODEL = {"user_model": "openai/gpt-4o-mini", "client": client}
cases = [{"goal": f"get the money back for order {n}"} for n in range(SESSIONS)]
simulate(cases[:1], "desk:answer", **MODEL, save=False, max_turns=1)
begun, used = time.perf_counter(), cpu()
run = simulate(
    cases,
    "desk:answer",
    **MODEL,
    max_turns=TURNS,
    concurrency=CONCURRENCY,
    overlap="sequence" not in MORE,
    processes=2 if "two" in MORE else 1,
    out=here / "run",
)
told(begun, used)
assert run.stop_reasons == {"max_turns": SESSIONS}, run.stop_reasons
"""
)


@frozen
class Work:
    """What is done: conversations × turns, at once, and the seconds of model and agent."""

    sessions: int
    turns: int
    at_once: int
    model: float
    agent: float

    @property
    def name(self) -> str:
        times = f"{self.model * 1000:.0f}/{self.agent * 1000:.0f} ms"
        return f"{self.sessions:,} × {self.turns}, {times}"

    def path(self, *, overlap: bool) -> float:
        """The seconds below which nobody could go, at this many at once."""
        first = self.model + self.agent
        turn = first if overlap else first + self.model
        waves = -(-self.sessions // self.at_once)
        return waves * (first + (self.turns - 1) * turn + self.model)


@frozen
class Took:
    """Wall seconds, and seconds of the processor."""

    wall: float
    cpu: float


@contextmanager
def serving(latency: float) -> Iterator[str]:
    """A model that takes so many seconds, in a process of its own; gives its base address."""
    words = [sys.executable, str(SERVER), "--latency", str(latency), "--never"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip().removesuffix("/chat/completions")
        server.kill()


def once(script: str, work: Work, base: str, *more: str) -> Took:
    """One measurement of a script's own part."""
    words = [sys.executable, "-c", script, base, *map(str, (work.sessions, work.turns))]
    words += [str(work.at_once), str(work.agent), *more]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Took(*json.loads(done.stdout.splitlines()[-1]))


def side_by_side(
    scripts: dict[str, tuple[str, ...]], work: Work, base: str, *, runs: int
) -> dict[str, Took]:
    """The medians of several measurements, taken in turn, so that what disturbs disturbs all."""
    taken: dict[str, list[Took]] = {name: [] for name in scripts}
    for _ in range(runs):
        for name, (script, *more) in scripts.items():
            taken[name].append(once(script, work, base, *more))
    return {
        name: Took(median(one.wall for one in each), median(one.cpu for one in each))
        for name, each in taken.items()
    }
