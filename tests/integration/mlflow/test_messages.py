"""What is said of MLflow, written down in `messages_mlflow.md`.

`CONVSIM_WRITE_MESSAGES=1 pytest tests/integration/mlflow/test_messages.py` writes it anew.
"""

import os
import runpy
from pathlib import Path

import pandas as pd

from convsim_adapters.mlflow import ConversationSimulator, generate_test_cases
from convsim_adapters.mlflow.cases import check_records
from convsim_adapters.mlflow.endpoints import find_endpoint
from convsim_adapters.mlflow.managed import managed_model
from convsim_adapters.mlflow.predicting import read_predict_signature
from convsim_adapters.mlflow.records import records_of
from convsim_adapters.mlflow.routes import asked_in_thread, read_answer, route_model
from convsim_adapters.mlflow.scoring import scorers_of
from convsim_adapters.mlflow.sessions import talks_of
from convsim_adapters.mlflow.user_agents import text_of
from convsim_adapters.mlflow.vendor import use_store

HERE = Path(__file__).parent.parent.parent / "golden"
GOLDEN = HERE / "messages_mlflow.md"
PLACES = runpy.run_path(str(HERE / "message_places.py"))
DESK = runpy.run_path(str(HERE / "message_desk.py"))

HEAD = """\
# What convsim says of MLflow when something is wrong

As `messages.md`; provoked and written down by `tests/integration/mlflow/test_messages.py`.
"""
OURS = "convsim_adapters/mlflow/"
STORES = "needs a store that fails: test_storing, test_trouble, test_mlflow_command"
ROUTES = "needs an endpoint that MLflow leads to: test_model_routes, test_model_trouble"
ELSEWHERE = {
    "mlflow/__init__.py:__getattr__": "as of convsim_adapters",
    "mlflow/distilling.py:_read": "test_distilling",
    "mlflow/endpoints.py:_databricks": ROUTES,
    "mlflow/endpoints.py:_Http.post": ROUTES,
    "mlflow/endpoints.py:untangled": ROUTES,
    "mlflow/exporting.py:_exported": STORES,
    "mlflow/managed.py:managed_model": ROUTES,
    "mlflow/managed.py:_Managed.send": ROUTES,
    "mlflow/managed.py:_reply": ROUTES,
    "mlflow/predicting.py:predict_port.awaited": "test_predict_fn",
    "mlflow/predicting.py:_sorted": "test_predict_fn",
    "mlflow/records.py:_stored": "test_datasets",
    "mlflow/routes.py:_Route.send": ROUTES,
    "mlflow/endpoints.py:find_endpoint": ROUTES,
    "mlflow/routes.py:asked_in_thread": ROUTES,
    "mlflow/simulator.py:ConversationSimulator.simulate": "test_loop",
    "mlflow/simulating.py:Simulation._tell": STORES,
    "mlflow/simulating.py:_linked": STORES,
    "mlflow/simulating.py:_tell_of_failures": "test_loop",
    "mlflow/simulating.py:_tell_of_live_contexts": "test_loop",
    "mlflow/users.py:SimulatedUserAgent._message": "test_user_agents",
    "mlflow/vendor.py:use_store": STORES,
    "mlflow/writing.py:Writer._adopt": STORES,
    "mlflow/writing.py:Writer._count": STORES,
    "mlflow/writing.py:Writer._fail": STORES,
}


def records(desk) -> None:
    for given in (7, {"goal": "pay"}, ["pay"], pd.DataFrame([["a", "b"]], columns=["goal"] * 2)):
        desk.by(records_of, given)
    desk.by(check_records, [])
    odd = [
        {},
        {"goal": "pay", "context": 7},
        {"goal": "pay", "context": {"messages": 1, 7: 1}},
        {"goal": "pay", "persona": 7, "expectations": 7},
        {"goal": "pay \ud83d", "expectations": {"a": ["\ud83d"]}},
    ]
    desk.by(check_records, odd)
    desk.by(check_records, [{"goal": "pay", "colour": "red"}, {"goal": "go", "gaol": "go"}])


def functions(desk) -> None:
    for predict_fn in (
        7,
        lambda messages, input: "Hi.",
        lambda question: "Hi.",
        lambda: "Hi.",
        lambda messages, /: "Hi.",
    ):
        desk.by(read_predict_signature, predict_fn)
    signature = read_predict_signature(lambda messages, order: "Hi.")
    desk.by(signature.check, [{"order": "W7"}, {"customer": "Ann"}])


def simulators(desk) -> None:
    cases = [{"goal": "pay"}]
    for odd in (
        {"max_turns": 0},
        {"max_turns": "many"},
        {"user_agent_class": str},
        {"user_agent_class": 7},
    ):
        desk.by(lambda odd=odd: ConversationSimulator(cases, **odd))
    many = ConversationSimulator(cases, user_model="openai:/m", concurrency=0)
    desk.by(many.simulate, lambda messages: "Hi.")


def models(desk) -> None:
    odd = {"api_key": "sk", "messages": []}
    desk.by(route_model, "endpoints:/chat", "user_model", params=odd, timeout=1)
    desk.by(find_endpoint, "endpoints:/", "user_model", timeout=1)
    desk.by(read_answer, {"choices": []})
    desk.by(asked_in_thread, lambda: __import__("time").sleep(0.1), 0.01)
    desk.by(text_of, 7, "generate_message")
    desk.by(managed_model, "databricks", "user_model", params={"temperature": 0}, timeout=1)


def names(desk) -> None:
    desk.by(scorers_of, ["Safty", "Guidelines"])
    desk.by(talks_of, 7)
    desk.by(talks_of, [7, "x"])
    desk.by(generate_test_cases, [[]])
    desk.by(generate_test_cases, [[]], concurrency=0)
    desk.by(use_store, "nowhere://x")


TRIGGERS = {
    "Test cases for MLflow": records,
    "Functions to predict with": functions,
    "Simulators": simulators,
    "Models behind MLflow": models,
    "Scorers, sessions and stores": names,
}


def test_every_message_is_as_it_was_read(tmp_path, monkeypatch, store) -> None:
    monkeypatch.chdir(tmp_path)
    found = [one for one in PLACES["places"]() if one.file.startswith(OURS)]
    reached, desk = PLACES["Reached"](found), DESK["Desk"](tmp_path / "desk")
    with PLACES["traced"](reached):
        text = HEAD + DESK["all_of"](desk, TRIGGERS.items())
    if os.environ.get("CONVSIM_WRITE_MESSAGES"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")
    silent = [one for one in found if one not in reached and not _is_elsewhere(one)]
    assert not silent, "\n".join(map(str, silent))


def _is_elsewhere(place) -> bool:
    return f"{place.file}:{place.function}".removeprefix("convsim_adapters/") in ELSEWHERE
