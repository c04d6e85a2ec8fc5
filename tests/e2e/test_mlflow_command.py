"""The command with MLflow: killed, without a store, with a full one; what is missing comes later.

Processes are forked from one that has loaded MLflow, which takes seconds; what stands in a store is
read as anyone would read it.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from convsim_adapters.journal_files import load_journal
from convsim_fp.core import AgentReplied

pytest.importorskip("mlflow.version", reason="needs convsim-fp[mlflow]")

CASES = [
    {"id": f"c{n}", "goal": f"thing {n}", "script": ["one", "two", "three"], "goal_when": "never"}
    for n in range(4)
]
TURNS = 3
KEPT = ("HOME", "LANG", "PATH", "TMPDIR", "COVERAGE_PROCESS_START")
Convsim = Callable[..., "Ran"]
CANARY = "sk-canary/7+x=="

FORKING = '''
import gc, json, os, resource, sys
import rich.console, rich.progress, rich.table
from convsim_adapters.cli.commands import run_command
import mlflow
import convsim_adapters.mlflow.exporting, convsim_adapters.mlflow.recording_runs
from convsim_adapters.mlflow.simulator import ConversationSimulator

def read(uri):
    """What a store has, as JSON."""
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiments = [one.experiment_id for one in mlflow.search_experiments()]
    traces = [
        {"metadata": one.info.trace_metadata, "spans": [span.to_dict() for span in one.data.spans]}
        for one in mlflow.search_traces(experiments, return_type="list", max_results=1000)
    ]
    runs = []
    for one in client.search_runs(experiments):
        told = {"params": one.data.params, "metrics": one.data.metrics, "tags": one.data.tags}
        tables = [mlflow.artifacts.load_dict(f"{one.info.artifact_uri}/{file.path}")
                  for file in client.list_artifacts(one.info.run_id)]
        name = client.get_experiment(one.info.experiment_id).name
        runs.append({**told, "status": one.info.status, "tables": tables, "experiment": name})
    print(json.dumps({"traces": traces, "runs": runs}), flush=True)

def serve(port):
    import uvicorn
    from mlflow.server.fastapi_app import app
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="error")

def script(words):
    exec(words, {})

os.chdir(sys.argv[1])
read("sqlite:///template.db")  # loads most of what a command loads
gc.freeze()
for line in sys.stdin:
    told = json.loads(line)
    child = os.fork()
    if child and told["words"][0] == "serve":
        print(child, flush=True)
        continue
    if child:
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    os.chdir(told["here"])
    os.environ.clear()
    os.environ.update(told["environment"])
    if limit := os.environ.pop("FILE_LIMIT", None):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(told[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    first, *rest = told["words"]
    if first in ("read", "script", "serve"):
        sys.exit({"read": read, "script": script, "serve": serve}[first](rest[0]))
    sys.argv = ["convsim", *told["words"]]
    sys.exit(run_command())
'''

SHOP = '''
import os
import signal
import sqlite3
import time
from pathlib import Path

from convsim_fp import Reply
from convsim_fp.interpreters import Facts


def shop(messages):
    """Is killed where the file `deadly` says so, in one of three ways."""
    deadly = Path("deadly").read_text().split() if Path("deadly").exists() else ["never"]
    with Path("calls").open("a") as calls:
        calls.write(".")
    called = len(Path("calls").read_text())
    if deadly == ["first"] and called >= 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if deadly == ["stored"] and called >= 8:
        while not stored():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    if deadly == ["interrupted"] and called >= 8:
        Path("deadly").unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    return f"answer {len(messages)} to {messages[-1]['content']}"


def stored():
    opened = sqlite3.connect("mlflow.db", timeout=10)
    try:
        return opened.execute("SELECT count(*) FROM trace_info").fetchone()[0]
    finally:
        opened.close()


def leaky(messages):
    if len(messages) > 1:
        raise RuntimeError(f"bad key {os.environ['SHOP_API_KEY']}")
    return "There."


def model(request):
    facts = Facts(input_tokens=90, output_tokens=10, cost=0.25)
    return Reply("no" if request.id.lane == "goal_check" else f"turn {request.id.turn}", facts)
'''


@frozen
class Ran:
    code: int
    out: str
    err: str


@frozen
class Forks:
    """What commands are forked from; each in `here` with an environment of its own."""

    process: subprocess.Popen[str]
    places: Path

    def run(self, here: Path, *words: object, **more: str) -> Ran:
        """Run a command to its end, or its death."""
        code = self.begun(here, *words, **more)
        out, err = ((self.places / name).read_text("utf-8") for name in ("out", "err"))
        return Ran(code, out, err)

    def begun(self, here: Path, *words: object, **more: str) -> int:
        """The exit code of a command; the process of one that goes on."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        told = {
            "words": [*map(str, words)],
            "here": str(here),
            "environment": {**kept, "MLFLOW_DISABLE_TELEMETRY": "true", **more},
            "out": str(self.places / ("served" if words[0] == "serve" else "out")),
            "err": str(self.places / ("served" if words[0] == "serve" else "err")),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """A process that has loaded MLflow once, and an empty store to begin with."""
    places = tmp_path_factory.mktemp("forks")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKING, str(places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == {"traces": [], "runs": []}
        yield Forks(process, places)
        process.stdin.close()


@pytest.fixture
def there(here: Path, forks: Forks) -> Path:
    """A directory with an agent, cases and an empty store."""
    (here / "shop.py").write_text(SHOP)
    (here / "cases.json").write_text(json.dumps(CASES))
    place = shutil.copy(forks.places / "template.db", here / "mlflow.db")
    with closing(sqlite3.connect(place)) as opened, opened:
        opened.execute("UPDATE experiments SET artifact_location = ?", [str(here / "artifacts")])
    return here


@pytest.fixture
def convsim(there: Path, forks: Forks) -> Convsim:
    """Run the command."""

    def run(*words: object, **more: str) -> Ran:
        return forks.run(there, *words, **more)

    return run


@frozen
class Stored:
    """What stands in a store."""

    traces: list[dict[str, Any]]
    runs: list[dict[str, Any]]

    @property
    def places(self) -> Counter[tuple[str, str]]:
        """How often there is a trace of each session and turn."""
        told = [trace["metadata"] for trace in self.traces]
        return Counter((one["convsim.session"], one["convsim.turn"]) for one in told)


@pytest.fixture
def stored(there: Path, forks: Forks) -> Callable[..., Stored]:
    """Read a store."""

    def read(uri: str = "sqlite:///mlflow.db") -> Stored:
        ran = forks.run(there, "read", uri)
        assert ran.code == 0, ran.err
        return Stored(**json.loads(ran.out))

    return read


@define
class Server:
    """A server of MLflow, whose port is taken from the beginning."""

    forks: Forks
    here: Path
    kept: socket.socket
    uri: str = field(init=False)
    pid: int | None = None

    def __attrs_post_init__(self) -> None:
        self.uri = f"http://127.0.0.1:{self.kept.getsockname()[1]}"

    def start(self) -> None:
        """Serve what is in the store of the directory."""
        place = ("127.0.0.1", self.kept.getsockname()[1])
        self.kept.close()
        told = {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": str(self.here / "artifacts"),
            "_MLFLOW_SERVER_FILE_STORE": "sqlite:///mlflow.db",
        }
        self.pid = self.forks.begun(self.here, "serve", place[1], **told)
        while True:
            with suppress(OSError), socket.create_connection(place, 1):
                return
            time.sleep(0.02)

    def read(self) -> Stored:
        ran = self.forks.run(self.here, "read", "sqlite:///mlflow.db")
        return Stored(**json.loads(ran.out))


RUN = ("run", "cases.json", "--agent=shop:shop", "--concurrency=2", "--quiet", "--out=run")


def recorded(directory: Path) -> Counter[tuple[str, str]]:
    """The turns in the journal that have an answer."""
    return Counter(
        (log.session.id, str(one.id.turn))
        for log in load_journal(directory).sessions
        for one in log.entries
        if one.id is not None and isinstance(one.seen, AgentReplied)
    )


@pytest.mark.parametrize("moment", ["first", "stored"])
def test_export_writes_exactly_what_a_killed_run_has_not_written(
    moment: str, there: Path, convsim: Convsim, stored: Callable[..., Stored]
) -> None:
    (there / "deadly").write_text(moment)
    killed = convsim(*RUN, "--mlflow=sqlite:///mlflow.db")
    assert killed.code == -9, killed.err
    before, known = stored().places, recorded(there / "run")
    assert before < known
    assert bool(before) is (moment == "stored")
    ran = convsim("export", "run", "--mlflow=sqlite:///mlflow.db")
    assert ran.code == 0, ran.err
    missing = known.total() - before.total()
    assert f"{missing} trace{'s' * (missing > 1)} written, {before.total()} were there" in ran.out
    exported = stored()
    assert exported.places == known
    again = convsim("export", "--mlflow", "run")
    assert again.code == 0, again.err
    assert f"0 traces written, {known.total()} were there" in again.out
    assert stored() == exported
    (there / "deadly").unlink()
    assert convsim("resume", "run", "--quiet").code == 0
    assert convsim("export", "run").code == 0
    check_whole(stored(), there / "run")


def check_whole(found: Stored, run: Path) -> None:
    """One trace for each turn of each session, each with its words, and how the session ended."""
    assert found.places == recorded(run)
    assert len(found.traces) == TURNS * len(CASES)
    assert {one["metadata"]["convsim.stop_reason"] for one in found.traces} == {"user_left"}
    assert len({one["metadata"]["mlflow.trace.session"] for one in found.traces}) == len(CASES)
    for one in found.traces:
        turn = int(one["metadata"]["convsim.turn"])
        assert one["metadata"]["mlflow.simulation.turn"] == str(turn - 1)
        [span] = one["spans"]
        assert f"answer {2 * turn - 1} to " in span["attributes"]["mlflow.spanOutputs"]
    [made] = found.runs
    assert made["status"] == "FINISHED"
    assert made["metrics"]["convsim.turns"] == TURNS * len(CASES)
    [table] = made["tables"]
    assert len(table["data"]) == len(CASES)


def test_a_run_that_was_interrupted_says_what_is_to_come(
    there: Path, convsim: Convsim, stored: Callable[..., Stored]
) -> None:
    (there / "deadly").write_text("interrupted")
    ran = convsim(*RUN, "--mlflow=sqlite:///mlflow.db")
    assert ran.code == 130, ran.err
    assert "in MLflow: sqlite:///mlflow.db, run " in ran.err
    assert stored().runs[0]["metrics"]["convsim.rate.cancelled"] > 0
    later = ran.err.partition("and then: convsim ")[2].splitlines()[0]
    assert "convsim resume run, and then: " in ran.err
    assert convsim("resume", "run", "--quiet").code == 0
    assert convsim(*shlex.split(later)).code == 0
    check_whole(stored(), there / "run")
    assert stored().runs[0]["metrics"]["convsim.rate.cancelled"] == 0


DROP_IN = """
import mlflow
from convsim_adapters.mlflow import BaseSimulatedUserAgent, ConversationSimulator
from convsim_fp import goals
from shop import shop


class Says(BaseSimulatedUserAgent):
    def generate_message(self, context):
        return f"message {context.turn}"


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("desk")
cases = [{"goal": f"thing {n}"} for n in range(4)]
told = {"max_turns": 3, "concurrency": 2, "journal": "run", "goal_check": goals.never}
ConversationSimulator(cases, user_agent_class=Says, **told).simulate(shop)
"""


def test_what_a_killed_drop_in_has_not_written_is_exported(
    there: Path, forks: Forks, convsim: Convsim, stored: Callable[..., Stored]
) -> None:
    """Into the experiment in which the rest is, whatever is the default."""
    (there / "deadly").write_text("stored")
    killed = forks.run(there, "script", DROP_IN, PYTHONPATH=str(there))
    assert killed.code == -9, killed.err
    before, known = stored().places, recorded(there / "run")
    assert Counter() < before < known
    ran = convsim("export", "--mlflow", "run")
    assert ran.code == 0, ran.err
    missing = known.total() - before.total()
    assert f"{missing} trace{'s' * (missing > 1)} written, {before.total()} were there" in ran.out
    assert "0 traces written" in convsim("export", "--mlflow", "run").out
    found = stored()
    assert found.places == known
    assert {one["experiment"] for one in found.runs} == {"desk"}


def test_a_run_whose_store_has_no_room_is_whole_and_is_exported_when_there_is(
    there: Path, convsim: Convsim, stored: Callable[..., Stored]
) -> None:
    long = [{**case, "script": ["x" * 20_000] * TURNS} for case in CASES]
    (there / "cases.json").write_text(json.dumps(long))
    room = (there / "mlflow.db").stat().st_size
    ran = convsim(*RUN, "--mlflow=sqlite:///mlflow.db", FILE_LIMIT=str(room))
    assert ran.code == 0, ran.err
    assert "12 turns" in ran.out
    assert len((there / "run" / "results.jsonl").read_text().splitlines()) == len(CASES)
    assert "warning: 12 of 12 traces are not in MLflow: " in ran.err
    assert not stored().traces
    _, _, later = ran.err.partition("export them later with: convsim ")
    done = convsim(*shlex.split(later.splitlines()[0]))
    assert done.code == 0, done.err
    assert "12 traces written, 0 were there" in done.out
    check_whole(stored(), there / "run")


@pytest.fixture
def server(there: Path, forks: Forks) -> Iterator[Server]:
    """An MLflow that is down, for as long as nobody starts it."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        found = Server(forks, there, kept)
        yield found
    if found.pid is not None:
        os.kill(found.pid, signal.SIGKILL)


def test_a_run_without_its_server_is_whole_and_is_exported_when_that_is_back(
    there: Path, convsim: Convsim, server: Server
) -> None:
    """Over HTTP, with a name for the experiment, which is not there yet."""
    hurried = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
    ran = convsim(*RUN, f"--mlflow={server.uri}", "--experiment=desk", **hurried)
    assert ran.code == 0, ran.err
    assert "warning: 12 of 12 traces are not in MLflow: " in ran.err
    later = ran.err.partition("export them later with: convsim ")[2].splitlines()[0]
    down = convsim(*shlex.split(later), **hurried)
    assert down.code == 2
    assert f"MLflow at {server.uri} cannot be reached" in down.err
    server.start()
    done = convsim(*shlex.split(later), **hurried)
    assert done.code == 0, done.err
    assert "12 traces written, 0 were there" in done.out
    again = convsim(*shlex.split(later), **hurried)
    assert "0 traces written, 12 were there" in again.out
    found = server.read()
    check_whole(found, there / "run")
    assert found.runs[0]["experiment"] == "desk"


def test_a_plain_process_makes_a_store_in_the_working_directory(
    there: Path, environment: dict[str, str], stored: Callable[..., Stored]
) -> None:
    """No key of the environment or of the parameters stands anywhere in it."""
    (there / "mlflow.db").unlink()
    case = {"id": "refund", "goal": "pay", "script": ["one", "two"], "goal_when": "never"}
    (there / "cases.json").write_text(json.dumps([case]))
    keys = {"OPENAI_API_KEY": CANARY, "SHOP_API_KEY": CANARY}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "convsim_adapters.cli", "run", "cases.json"),
            *("--agent=shop:leaky", "--user-model=http://127.0.0.1:9/v1", "--user-param=model=m"),
            *(f"--user-param=api_key={CANARY}", "--out=run", "--mlflow"),
        ],
        cwd=there,
        env=environment | keys | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 3, done.stderr
    assert "in MLflow: sqlite:///mlflow.db, run " in done.stderr
    found = stored()
    [trace] = found.traces  # of the turn that has an answer
    assert "bad key (secret)" in trace["metadata"]["convsim.detail"]
    [run] = found.runs
    assert (run["experiment"], run["status"]) == ("Default", "FINISHED")
    assert run["tags"]["convsim.directory"] == str(there / "run")
    for file in there.rglob("*"):
        if file.is_file():
            assert b"sk-canary" not in file.read_bytes(), file
    assert "sk-canary" not in done.stdout + done.stderr
