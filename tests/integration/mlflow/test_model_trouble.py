"""What a model does that it should not, and what it costs the conversations."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from mlflow.exceptions import MlflowException

Messages = list[dict[str, str]]
Body = dict[str, Any]


def agent(input: Messages, **rest: Any) -> str:
    return f"It is on its way, as I said {len(input)} times."


def counts(found: list[list[Any]]) -> list[int]:
    return [len(traces) for traces in found]


def test_a_goal_check_that_fails_or_babbles_counts_as_not_achieved(
    simulator_class: Any, store: str, wire: Any, logs: pytest.LogCaptureFixture
) -> None:
    """C34."""

    def babbled(body: Body) -> str:
        return (
            "It may be so, and it may not." if "babbled" in wire.text(body) else wire.verdict("no")
        )

    wire.judge = wire.refusing("refused", babbled)
    cases = [{"goal": goal} for goal in ("fine", "refused", "babbled")]
    found = simulator_class(cases, 2, wire.uri).simulate(agent)
    assert counts(found) == [2, 2, 2]
    warned = [one for one in logs.records if "oal" in one.getMessage()]
    assert {one.levelname for one in warned} >= {"WARNING"}
    assert len(warned) >= 2


VERDICTS: dict[str, Callable[[], str]] = {
    "bare": lambda: '{"rationale": "It is told.", "result": "yes"}',
    "fenced": lambda: '```json\n{"rationale": "It is told.", "result": "yes"}\n```',
    "prefixed": lambda: 'Here it is: {"rationale": "It is told.", "result": "yes"}',
    "suffixed": lambda: '{"rationale": "It is told.", "result": "yes"}\nHope that helps.',
    "raw newline": lambda: '{"rationale": "It is\ntold.", "result": "yes"}',
    "bare result": lambda: '{"result": "yes"}',
    "boolean": lambda: '{"rationale": "It is told.", "result": true}',
    "a word": lambda: "Yes.",
}


def test_a_verdict_is_read_in_whatever_form_it_comes(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D14: a yes is a yes."""

    def judge(body: Body) -> str:
        (form,) = (form for form in VERDICTS if f"form: {form}." in wire.text(body))
        return VERDICTS[form]()

    wire.judge = judge
    cases = [{"goal": f"form: {form}."} for form in VERDICTS]
    found = simulator_class(cases, 2, wire.uri).simulate(agent)
    assert dict(zip(VERDICTS, counts(found), strict=True)) == dict.fromkeys(VERDICTS, 1)


def test_a_judge_that_takes_no_temperature_is_asked_without(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D13: once it has said so, and its verdict counts."""
    refused: list[Body] = []

    def judge(body: Body) -> str:
        if "temperature" not in body:
            return str(wire.verdict("yes"))
        refused.append(body)
        what = "Unsupported value: 'temperature' does not support 0 with this model."
        raise wire.status(web.HTTPBadRequest, what, "unsupported_value")

    wire.judge = judge
    found = simulator_class([{"goal": "g"}], 3, wire.uri).simulate(agent)
    assert counts(found) == [1]
    assert len(refused) <= 1


@pytest.mark.parametrize("refusal", [web.HTTPBadRequest, web.HTTPUnauthorized])
def test_what_no_attempt_will_mend_is_asked_once(
    refusal: Any, simulator_class: Any, store: str, wire: Any
) -> None:
    """D11."""

    def user(body: Body) -> str:
        raise wire.status(refusal, "no")

    wire.user = user
    with pytest.raises(MlflowException):
        simulator_class([{"goal": "g"}], 2, wire.uri).simulate(agent)
    assert wire.loopback.count == 1


@pytest.mark.parametrize("uri", ["openai:/m", "hosted_vllm:/m"])
def test_what_may_pass_is_asked_again_whatever_the_way_to_the_model(
    uri: str, simulator_class: Any, store: str, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C76, D12: one policy of retries for all, for a connection that is lost, too."""
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", wire.loopback.base)
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "k")
    wire.loopback.faults.extend(["429", "reset"])
    found = simulator_class([{"goal": "g"}], 1, uri).simulate(agent)
    assert counts(found) == [1]
    assert wire.loopback.count == 4
    assert len(wire.goal_checks) == 1


def test_a_call_that_goes_on_failing_is_at_most_four_requests(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C76."""

    def user(body: Body) -> str:
        if "lost" in wire.text(body):
            raise wire.status(web.HTTPServiceUnavailable, "down")
        return str(wire.ask(body))

    wire.user = user
    cases = [{"goal": "lost"}, {"goal": "found"}]
    found = simulator_class(cases, 1, wire.uri).simulate(agent)
    assert counts(found) == [0, 1]
    assert 2 <= len(wire.prompts_of("lost")) <= 4
