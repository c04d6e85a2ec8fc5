"""Everything that a run needs is found and checked before it begins."""

import pytest
from attrs import evolve

from convsim_adapters.running.plans import Settings, make_plan
from convsim_fp.core import TestCase
from convsim_fp.errors import InvalidSpec

SCRIPT = {"id": "s", "goal": "a refund", "script": ["Refund."], "goal_when": "done", "tags": ["a"]}
PLAIN = {"id": "p", "goal": "a refund", "tags": ["a", "b"]}


def agent(messages):
    return "done"


def model(request):
    return "yes"


def problems(cases, target=agent, select=(), **settings):
    with pytest.raises(InvalidSpec) as refused:
        make_plan(cases, target, Settings(**settings), select=select)
    return [str(problem) for problem in refused.value.problems]


def ids(plan):
    return [one.case.id for one in plan.cases]


def test_records_cases_and_files_are_read_alike(tmp_path) -> None:
    path = tmp_path / "cases.json"
    path.write_text('[{"goal": "a refund", "script": ["Refund."], "goal_when": "done"}]')
    case = TestCase(goal="a refund", extra={"script": ["Refund."], "goal_when": "done"})
    record = {"goal": "a refund", "script": ["Refund."], "goal_when": "done"}
    plans = [make_plan(given, agent, Settings()) for given in ([case], [record], path, [str(path)])]
    assert all(plan.cases == plans[0].cases for plan in plans)
    assert ids(plans[0]) == ["case-0"]


def test_cases_without_an_id_keep_their_place_as_a_name_when_some_are_selected() -> None:
    cases = [{**SCRIPT, "id": None}, {**SCRIPT, "id": None, "tags": ["b"]}]
    assert ids(make_plan(cases, agent, Settings(), select=["tag:b"])) == ["case-1"]
    assert ids(make_plan(cases, agent, Settings(), select=["case-1", "tag:b"])) == ["case-1"]


def test_an_id_that_is_the_name_of_another_case_is_refused() -> None:
    [told] = problems([{**SCRIPT, "id": None}, {**SCRIPT, "id": "case-0"}])
    assert told == 'cases[1] ("case-0"): id is the name of cases[0] too; give another'


def test_selecting_what_is_not_there_names_what_is_near() -> None:
    [near, far] = problems([{**SCRIPT, "id": "refund"}], select=["refnud", "tag:zzz"])
    assert near == "select is 'refnud', but no case has this id; did you mean 'refund'?"
    assert "select is 'tag:zzz', but no case has this id" in far


def test_all_problems_come_at_once() -> None:
    told = problems(
        [{**SCRIPT, "script": [1]}, {"gaol": "x"}],
        "no_such:agent",
        trials=0,
        retries=-1,
        concurrency=True,
        seed="x",
        timeout=float("nan"),
        max_cost=-1,
        max_turns=0,
        user="modle",
    )
    for part in (
        'cases[0] ("s"): extra.script[0] is a number (1), expected text',
        "cases[1]: goal is missing",
        "agent names the module 'no_such'",
        "trials is 0, expected a whole number of at least 1",
        "retries is -1, expected a whole number of at least 0",
        "concurrency is True",
        "seed is 'x', expected a whole number",
        "timeout is nan, expected seconds above 0",
        "budget: cost is a number (-1), expected a number above 0",
        "rules: max_turns is a number (0)",
        "user is 'modle'",
    ):
        assert any(part in line for line in told), f"{part!r} is not in {told}"


def test_no_cases_are_refused() -> None:
    assert problems([]) == ["cases are none, expected at least one test case"]


def test_a_case_that_needs_a_model_without_one_is_named() -> None:
    first, second = problems([PLAIN, SCRIPT])
    assert first.startswith("user_model is missing, and p is played by a model; give --user-model")
    assert second.startswith("goal_model is missing, and p is judged by a model; give")


def test_many_cases_that_need_a_model_are_not_all_named() -> None:
    cases = [{**PLAIN, "id": f"p{n}"} for n in range(5)]
    told = problems(cases, goal_model=model)
    assert told[0].startswith("user_model is missing, and p0, p1, p2 and 2 more are played by")


def test_the_users_model_judges_where_no_other_is_named() -> None:
    plan = make_plan([PLAIN], agent, Settings(user_model=model))
    assert (plan.user_model.name, plan.goal_model) == (f"{model.__module__}:model", None)
    both = make_plan([PLAIN], agent, Settings(user_model=model, goal_model=agent))
    assert both.goal_model.name == f"{agent.__module__}:agent"


def test_judge_and_user_overlap_by_default_where_both_are_models() -> None:
    def overlap(case, **settings):
        [one] = make_plan([case], agent, Settings(user_model=model, **settings)).cases
        return one.rules.overlap

    assert overlap(PLAIN) is True
    assert overlap(SCRIPT) is False
    assert overlap(PLAIN, goal_check="never") is False
    assert overlap(PLAIN, overlap=False) is False
    assert overlap(SCRIPT, overlap=True) is True


def test_a_context_that_the_agent_cannot_take_is_found_before_it_is_called() -> None:
    def strict(messages, order_id):
        return order_id

    cases = [{**SCRIPT, "context": {"order": "W7"}}, {**SCRIPT, "id": "t"}]
    first, second = problems(cases, strict)
    assert first.startswith("cases[0] (\"s\"): the case's context has 'order', which")
    assert "lacks 'order_id', which strict(messages, order_id) needs" in second.replace(
        "test_a_context_that_the_agent_cannot_take_is_found_before_it_is_called.<locals>.", ""
    )


def test_a_class_or_a_function_without_messages_makes_an_agent_per_session() -> None:
    class Desk:
        def __call__(self, messages):
            return "done"

    def make(session_id):
        return Desk()

    def make_plainly():
        return Desk()

    for target in (Desk, make, make_plainly):
        assert make_plan([SCRIPT], target, Settings()).agent.per_session
    for target in (agent, Desk()):
        assert not make_plan([SCRIPT], target, Settings()).agent.per_session


@pytest.mark.parametrize(
    "target", [7, "math:pi", lambda a, b: "", type("Desk", (), {"__init__": lambda s, a: None})]
)
def test_what_is_no_agent_is_refused(target) -> None:
    assert problems([SCRIPT], target)


def test_parameters_go_with_names_of_models_only() -> None:
    [told] = problems([PLAIN], user_model=model, user_params={"temperature": 1})
    assert "which takes no parameters" in told
    [told] = problems([SCRIPT], agent_params={"model": "x"})
    assert told == "agent_params are for an agent behind a URL only"


def test_an_address_needs_its_model_and_is_not_for_litellm() -> None:
    address = "http://127.0.0.1:9/v1"
    [told] = problems([PLAIN], user_model=address)
    assert told.endswith("to ask there is not said; give the parameter model")
    told = problems([PLAIN], user_model=address, user_params={"model": "x"}, client="litellm")
    assert told[0].endswith("for litellm give openai/MODEL and the parameter api_base=URL")


def test_a_judge_that_is_the_users_model_is_asked_at_the_same_address() -> None:
    settings = Settings(
        user_model="http://127.0.0.1:9/v1",
        user_params={"model": "llama", "temperature": 1},
        goal_params={"temperature": 0},
    )
    plan = make_plan([PLAIN], agent, settings)
    assert [one.listed for one in (plan.user_model, plan.goal_model)] == ["llama", "llama"]
    named = make_plan([PLAIN], agent, evolve(settings, goal_model=settings.user_model))
    assert named.goal_model.listed == "llama"  # so it is recorded, and gone on with


@pytest.mark.parametrize(
    ("name", "client", "chosen"),
    [
        ("openai/gpt-4o-mini", "auto", "direct"),
        ("openai:/gpt-4o-mini", "auto", "direct"),
        ("openai/gpt-4o-mini", "direct", "direct"),
        ("openai/gpt-4o-mini", "litellm", "litellm"),
        ("gpt-4o-mini", "auto", "litellm"),
        ("groq/llama-3.1-8b-instant", "auto", "litellm"),
        (model, "direct", None),
    ],
)
def test_the_client_is_chosen_by_the_name_or_told(name, client, chosen, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    monkeypatch.setenv("GROQ_API_KEY", "sk-none")
    plan = make_plan([PLAIN], agent, Settings(user_model=name, client=client))
    assert plan.user_model.client == chosen


def test_a_client_that_cannot_ask_or_is_none_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    [told] = problems([PLAIN], user_model="groq/llama-3.1-8b-instant", client="direct")
    assert "the model 'groq/llama-3.1-8b-instant' is not reached directly" in told
    [told] = problems([SCRIPT], client="curl")
    assert told == "client is 'curl', expected one of auto, direct, litellm"


@pytest.mark.parametrize("client", ["direct", "litellm"])
def test_a_budget_in_money_needs_a_price(client, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    settings = {"user_model": "openai/nobodys", "client": client, "max_cost": 1.0}
    [told] = problems([PLAIN], **settings)
    assert "what 'openai/nobodys' costs is not known; give --max-tokens" in told


def test_what_a_run_can_come_to_is_counted() -> None:
    cases = [PLAIN, {**SCRIPT, "max_turns": 2}, {**PLAIN, "id": "o", "agent_opens": True}]
    plan = make_plan(cases, agent, Settings(user_model=model, max_turns=5, max_asks=2, trials=3))
    assert plan.sessions == 9
    assert plan.most_agent_calls == 3 * (5 + 2 + 6)
    assert plan.most_model_calls == 3 * (2 * 2 * 5 + 0 + 2 * 2 * 5)
    alone = make_plan([PLAIN], agent, Settings(user="by-user", user_model=model, max_asks=1))
    assert alone.most_model_calls == 11  # the user is asked once more after the last reply


def test_a_plan_to_look_at_needs_no_model_and_no_agent() -> None:
    plan = make_plan([PLAIN], None, Settings(), to_run=False)
    assert [problem.field for problem in plan.warnings] == ["user_model", "goal_model"]
    assert (plan.agent, plan.most_model_calls) == (None, 60)


def test_what_an_agent_behind_a_url_cannot_be_sent_is_refused_with_the_rest() -> None:
    told = problems([SCRIPT], "http://127.0.0.1:9/v1", agent_params={"stream": True})
    assert told == ["agent_params: stream is set by convsim; leave it out"]
    assert "expected a URL such as" in problems([SCRIPT], "http://")[0]
