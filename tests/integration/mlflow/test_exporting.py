"""What the command writes to MLflow and what it refuses, in this process; agents that trace."""

import json
import shlex
import socket
import sys
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pytest
from attrs import frozen
from click.testing import CliRunner
from mlflow.entities import Trace
from mlflow.tracing.client import TracingClient

from convsim_adapters.cli.commands import convsim
from convsim_adapters.mlflow import export_run
from convsim_adapters.mlflow.identities import identity_of
from convsim_adapters.mlflow.stored import experiment_with
from convsim_fp.errors import InvalidSpec

CASES = [
    {
        "id": f"c{n}",
        "goal": f"thing {n}",
        "script": ["one", "two"],
        "goal_when": "never",
        "expectations": {"kind": "short"},
    }
    for n in range(3)
]
TURNS = 2
AGENTS = """
import asyncio
import random

import mlflow
from mlflow.genai import scorer

from convsim_fp import Reply
from convsim_fp.interpreters import Facts


def plain(messages):
    print("NOISE")
    return f"answer {len(messages)}"


@mlflow.trace(name="own")
def traced(messages):
    with mlflow.start_span("look up"):
        print("NOISE")
    return f"answer {len(messages)}"


@mlflow.trace(name="own")
async def traced_async(messages):
    await asyncio.sleep(0)
    with mlflow.start_span("look up"):
        await asyncio.sleep(0)
    return f"answer {len(messages)}"


def seeding(messages):
    random.seed(7)
    return f"answer {len(messages)}"


@mlflow.trace(name="own")
def fails(messages):
    if len(messages) > 1:
        raise RuntimeError("no such order")
    return "answer 1"


def model(request):
    facts = Facts(input_tokens=90, output_tokens=10, cost=0.25)
    return Reply("no" if request.id.lane == "goal_check" else f"turn {request.id.turn}", facts)


@scorer
def is_short(outputs):
    return len(str(outputs)) < 100


class Mute:
    pass
"""


@frozen
class Ran:
    code: object
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with agents and cases."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "desk_agents.py").write_text(AGENTS)
    (tmp_path / "cases.json").write_text(json.dumps(CASES))
    yield tmp_path
    sys.modules.pop("desk_agents", None)


def command(*words: str) -> Ran:
    """Run the command."""
    done = CliRunner().invoke(convsim, words, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return Ran(done.return_value, done.stdout, done.stderr)


def run(agent: str, *more: str) -> Ran:
    return command("run", "cases.json", f"--agent=desk_agents:{agent}", "--quiet", *more)


def stored(*experiments: str) -> list[Trace]:
    ids = [mlflow.get_experiment_by_name(name).experiment_id for name in experiments]
    return mlflow.search_traces(ids or None, return_type="list", order_by=["timestamp_ms ASC"])


def told(traces: list[Trace], name: str) -> list[str | None]:
    return [trace.info.trace_metadata.get(name) for trace in traces]


def places(traces: list[Trace]) -> Counter[Any]:
    return Counter(zip(told(traces, "convsim.session"), told(traces, "convsim.turn"), strict=True))


EVERY = Counter((f"c{n}/1", str(turn + 1)) for n in range(len(CASES)) for turn in range(TURNS))


def test_a_run_stands_in_its_experiment_with_its_figures(store: str, here: Path) -> None:
    ran = run(
        "plain",
        f"--mlflow={store}",
        "--experiment=desk",
        "--goal-check=model",
        "--goal-model=desk_agents:model",
        "--out=first",
    )
    assert ran.code == 0, ran.err
    assert "NOISE" not in ran.out
    experiment = mlflow.get_experiment_by_name("desk")
    [made] = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert f"in MLflow: {store}, run {made.info.run_id}" in ran.err
    assert made.info.status == "FINISHED"
    assert made.data.tags["convsim.directory"] == str(here / "first")
    assert made.data.params["convsim.agent"] == "desk_agents:plain"
    figures = made.data.metrics
    assert figures["convsim.rate.user_left"] == 1
    assert figures["convsim.rate.goal_achieved"] == 0
    assert figures["convsim.turns"] == TURNS * len(CASES)
    assert figures["convsim.input_tokens"] == 90 * TURNS * len(CASES)
    assert figures["convsim.output_tokens"] == 10 * TURNS * len(CASES)
    assert figures["convsim.cost"] == 0.25 * TURNS * len(CASES)
    assert figures["convsim.seconds"] > 0
    table = mlflow.artifacts.load_dict(f"{made.info.artifact_uri}/convsim_sessions.json")
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [row["session"] for row in rows] == [f"c{n}/1" for n in range(len(CASES))]
    assert {row["stop_reason"] for row in rows} == {"user_left"}
    check_traces(stored("desk"), made.info.run_id)


def check_traces(found: list[Trace], run_id: str) -> None:
    assert places(found) == EVERY
    assert set(told(found, "mlflow.sourceRun")) == {run_id}
    for trace in found:
        [span] = trace.data.spans
        assert (span.name, span.span_type) == ("plain", "CHAIN")
        first = trace.info.trace_metadata["convsim.turn"] == "1"
        assert [one.name for one in trace.info.assessments] == (["kind"] if first else [])


def test_what_was_told_is_not_written_again_whatever_experiment_it_is_in(
    store: str, here: Path
) -> None:
    """An export goes where the run is; a name is for one that is nowhere yet."""
    run("plain", f"--mlflow={store}", "--experiment=desk", "--out=first")
    again = command("export", "first", f"--mlflow={store}")
    assert again.code == 0, again.err
    assert "0 traces written, 6 were there" in again.out
    assert stored() == []
    assert places(stored("desk")) == EVERY
    other = export_run("first", tracking_uri=store, experiment="another")
    assert (other.written, other.there) == (0, 6)
    assert experiment_with("no such run") is None


@pytest.mark.parametrize("agent", ["traced", "traced_async"])
def test_the_traces_of_an_agent_that_traces_are_its_own_once(
    agent: str, store: str, here: Path
) -> None:
    ran = run(agent, f"--mlflow={store}", "--out=first")
    assert ran.code == 0, ran.err
    assert "NOISE" not in ran.out
    found = stored()
    assert places(found) == EVERY
    for trace in found:
        assert [span.name for span in trace.data.spans] == ["own", "look up"]
    assert set(told(found, "convsim.stop_reason")) == {"user_left"}
    assert len(set(told(found, "mlflow.trace.session"))) == len(CASES)
    assert command("export", "--mlflow", "first").out.startswith("0 traces written, 6 were there")
    assert len(stored()) == len(found)


def test_runs_of_agents_that_seed_chance_keep_their_traces_apart(store: str, here: Path) -> None:
    """MLflow draws ids from `random`: what is seeded alike would be written over."""
    for name in ("first", "second"):
        assert run("seeding", f"--mlflow={store}", f"--out={name}").code == 0
    assert sorted(places(stored()).values()) == [2] * len(EVERY)


def test_the_call_in_which_an_agent_failed_is_there_once(store: str, here: Path) -> None:
    ran = run("fails", f"--mlflow={store}", "--out=first")
    assert ran.code == 3
    found = stored()
    assert places(found) == EVERY
    assert Counter(trace.info.state for trace in found) == {"OK": 3, "ERROR": 3}
    assert set(told(found, "convsim.stop_reason")) == {"agent_failed"}
    assert export_run("first").written == 0
    assert len(stored()) == len(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mlflow", "more.yaml"), "'more.yaml', expected a tracking URI such as sqlite:///"),
        (("--experiment=desk",), "--experiment is for a run in MLflow; add --mlflow"),
        (("--scorer=Safety",), "--scorer is for a run in MLflow; add --mlflow"),
        (("--mlflow", "--scorer=nonsense"), "is 'nonsense', expected package.module:attribute"),
        (("--mlflow", "--scorer=desk_agents:nobody"), "has no 'nobody'"),
        (("--mlflow", "--scorer=desk_agents:Mute"), "is 'desk_agents:Mute', expected"),
        (("--mlflow", "--scorer=Guidelines"), "Guidelines, which cannot be made without more"),
    ],
)
def test_what_mlflow_is_not_asked_is_refused_before_anything_runs(
    words: tuple[str, ...], said: str, store: str, here: Path
) -> None:
    ran = run("plain", *words, "--out=first")
    assert ran.code == 2
    assert said in ran.err.replace("error: ", "").replace(": is for", " is for")
    assert "nothing was run" in ran.err
    assert "NOISE" not in ran.err
    assert not (here / "first").exists()


# MLflow's evaluation has to keep up with pandas.
@pytest.mark.filterwarnings("ignore:Starting with pandas version 4.0 all arguments")
def test_a_scorer_of_ones_own_puts_its_figure_on_the_run(store: str, here: Path) -> None:
    ran = run("plain", f"--mlflow={store}", "--scorer=desk_agents:is_short", "--out=first")
    assert ran.code == 0, ran.err
    assert "score is_short/mean: 1" in ran.err
    [made] = mlflow.search_runs(output_format="list")
    assert made.data.metrics["is_short/mean"] == 1
    assert places(stored()) == EVERY


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client gives up soon."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


def check_it_waits(ran: Ran, uri: str, here: Path) -> None:
    """The run is whole, and what is printed exports it, wherever MLflow is by then."""
    assert ran.code == 0, ran.err
    assert "6 turns" in ran.out
    assert "warning: 6 of 6 traces are not in MLflow: " in ran.err
    _, _, later = ran.err.partition("export them later with: ")
    words = shlex.split(later.splitlines()[0])
    assert words == ["convsim", "export", "first", f"--mlflow={uri}", "--experiment=desk"]
    assert len((here / "first" / "results.jsonl").read_text().splitlines()) == len(CASES)


def test_a_run_does_without_an_mlflow_that_is_down(store: str, here: Path, hurried: None) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
        ran = run("plain", f"--mlflow={uri}", "--experiment=desk", "--out=first")
        check_it_waits(ran, uri, here)
        down = command("export", "first", f"--mlflow={uri}")
        assert down.code == 2
        assert f"MLflow at {uri} cannot be reached" in down.err
    later = command("export", "first", f"--mlflow={store}", "--experiment=desk")
    assert later.code == 0, later.err
    assert places(stored("desk")) == EVERY


class Late(BaseHTTPRequestHandler):
    """Answers nothing before it is released."""

    released = threading.Event()

    def do_GET(self) -> None:
        self.released.wait(30)
        with suppress(OSError):  # nobody waits any more
            self.send_error(503)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def late() -> Iterator[str]:
    """An MLflow that takes its time."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Late.released.set()
        server.shutdown()
        thread.join()
        Late.released.clear()


def test_a_run_does_without_an_mlflow_that_is_slow(
    store: str, here: Path, late: str, hurried: None
) -> None:
    ran = run("plain", f"--mlflow={late}", "--experiment=desk", "--out=first")
    check_it_waits(ran, late, here)


def test_a_password_in_the_address_of_a_store_is_not_shown(here: Path, hurried: None) -> None:
    uri = "http://me:sk-canary-7@127.0.0.1:9"
    ran = run("plain", f"--mlflow={uri}", "--out=first")
    down = command("export", "first", f"--mlflow={uri}")
    assert ran.code == 0
    assert down.code == 2
    assert "sk-canary-7" not in ran.out + ran.err + down.out + down.err
    for file in here.rglob("*"):
        assert not file.is_file() or b"sk-canary-7" not in file.read_bytes()


def test_an_agent_elsewhere_is_told_the_trace_of_its_turn(
    store: str, here: Path, loopback: Any
) -> None:
    """Its own spans, logged under that trace, before or after ours, are a part of it."""
    seen: dict[str, str] = {}

    def talk(body: dict[str, Any]) -> str:
        headers = loopback.seen[-1].headers
        seen[f"{headers['X-Session-Id']} {headers['X-Turn']}"] = headers["traceparent"]
        if headers["X-Session-Id"] == "c0/1":
            log_span(headers["traceparent"])
        return "answer"

    loopback.talk = talk
    agent = f"--agent={loopback.url}"
    ran = command("run", "cases.json", agent, "--quiet", f"--mlflow={store}", "--out=first")
    assert ran.code == 0, ran.err
    for name, header in seen.items():
        if not name.startswith("c0/1"):
            log_span(header)
    found = stored()
    assert places(found) == EVERY
    assert len(set(seen.values())) == len(EVERY)
    for trace in found:
        metadata = trace.info.trace_metadata
        header = seen[f"{metadata['convsim.session']} {metadata['convsim.turn']}"]
        version, trace_id, span_id, flags = header.split("-")
        assert (version, flags) == ("00", "01")
        assert trace.info.trace_id == f"tr-{trace_id}"
        root, theirs = sorted(trace.data.spans, key=lambda span: span.name)
        assert (root.name, root.span_id, root.parent_id) == ("agent", span_id, None)
        assert (theirs.name, theirs.parent_id) == ("elsewhere", span_id)
        assert metadata["convsim.stop_reason"] == "user_left"
        assert root.outputs["choices"][0]["message"]["content"] == "answer"
    assert export_run("first").written == 0


def log_span(header: str) -> None:
    """What another process does that was told the trace."""
    _, trace_id, span_id, _ = header.split("-")
    attributes = {
        "mlflow.traceRequestId": json.dumps(f"tr-{trace_id}"),
        "mlflow.spanType": json.dumps("TOOL"),
    }
    made = mlflow.entities.Span.from_dict(
        {
            "name": "elsewhere",
            "trace_id": encoded(trace_id),
            "span_id": encoded("ab" * 8),
            "parent_span_id": encoded(span_id),
            "start_time_unix_nano": 1_700_000_000_000_000_000,
            "end_time_unix_nano": 1_700_000_000_000_000_001,
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": attributes,
            "events": [],
        }
    )
    TracingClient().log_spans("0", [made])


def encoded(hexadecimal: str) -> str:
    return b64encode(bytes.fromhex(hexadecimal)).decode()


def test_what_is_exported_of_an_agent_elsewhere_has_the_trace_it_was_told(
    store: str, here: Path, loopback: Any
) -> None:
    agent = f"--agent={loopback.url}"
    assert command("run", "cases.json", agent, "--quiet", "--out=first").code == 0
    assert export_run("first", tracking_uri=store).written == len(EVERY)
    for trace in stored():
        key, session, turn = (
            trace.info.trace_metadata[f"convsim.{name}"] for name in ("run", "session", "turn")
        )
        assert trace.info.trace_id == f"tr-{identity_of(key, session, int(turn)).trace}"
        assert trace.data.spans[0].name == "agent"


def test_a_directory_without_a_run_is_refused(store: str, here: Path) -> None:
    assert command("export", "nowhere", f"--mlflow={store}").code == 2
    run("plain", "--out=first")
    with pytest.raises(InvalidSpec, match="which MLflow cannot use: FileExistsError"):
        export_run("first", tracking_uri=f"sqlite:///{here}/cases.json/mlflow.db")
