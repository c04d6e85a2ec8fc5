"""Laws of the user that follows an agenda, and of the owners of a case's extra fields."""

from hypothesis import given
from hypothesis import strategies as st

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Message,
    Rules,
    Say,
    State,
    Stopped,
    StopReason,
    TestCase,
    View,
    start,
    step,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.journal import state_from_json, state_to_json
from convsim_fp.testing import strategies as any_of

OWNERS = {**users.FIELDS, **goals.FIELDS}
WORDS = ("order", "shall I", "name", "no", "refund")
CONDITIONS = st.sampled_from(WORDS) | st.builds(dict, pattern=st.sampled_from(("n.", "o+", "^s")))
TEXTS = st.text("abc", min_size=1, max_size=2)
ACTS = TEXTS | st.fixed_dictionaries(
    {"say": TEXTS, "when": CONDITIONS}, optional={"repeat": st.booleans()}
)
SLOTS = st.fixed_dictionaries({"asked": CONDITIONS, "say": TEXTS})
AGENDAS = st.fixed_dictionaries(
    {"acts": st.lists(ACTS, max_size=4).map(lambda acts: ["Hello.", *acts])},
    optional={
        "slots": st.dictionaries(st.sampled_from("xyz"), SLOTS, max_size=3),
        "patience": st.integers(1, 4),
        "stuck": st.lists(TEXTS, min_size=1, max_size=2),
        "goodbye": TEXTS,
    },
)
REPLIES = st.lists(st.sets(st.sampled_from(WORDS)).map(" ".join), min_size=1, max_size=6)


def case_of(spec: object) -> TestCase:
    return TestCase(goal="x", extra={"agenda": spec})


def conversation(case: TestCase, replies: list[str], *, through_json: bool = False) -> State:
    """What comes of an agent that goes through its replies over and over."""
    rules = Rules(users.agenda(), goals.never, max_turns=1000)
    now = start(rules, case)
    while not isinstance(now.state.phase, Stopped):
        state = state_from_json(state_to_json(now.state)) if through_json else now.state
        (request,) = now.requests
        reply = replies[(request.id.turn - 1) % len(replies)] or "(nothing)"
        now = step(rules, state, AgentReplied(request.id, reply))
    return now.state


@given(AGENDAS, REPLIES)
def test_patience_ends_every_conversation_with_an_agent_that_goes_in_circles(spec, replies) -> None:
    """Each act and slot moves once, a repeated act once per message: then patience is all."""
    end = conversation(case_of(spec), replies)
    moves = len(spec["acts"]) + len(spec.get("slots", {})) + len(set(replies))
    assert isinstance(end.phase, Stopped)
    assert end.phase.reason is StopReason.USER_LEFT
    assert end.phase.detail.startswith("patience ran out: ")
    assert end.turns <= (moves + 1) * spec.get("patience", 3)


@given(AGENDAS, REPLIES)
def test_an_agenda_goes_on_from_a_stored_state(spec, replies) -> None:
    """All that the user remembers is in the memo, which is JSON."""
    case = case_of(spec)
    assert conversation(case, replies, through_json=True) == conversation(case, replies)


@given(AGENDAS, st.lists(any_of.texts(), max_size=8))
def test_an_agenda_given_and_one_of_the_case_are_the_same_user(spec, replies) -> None:
    """And nothing is said that the agenda does not have."""
    given_, own, bare = users.agenda(spec), users.agenda(), TestCase(goal="x")
    texts = {part if isinstance(part, str) else part["say"] for part in spec["acts"]}
    texts |= {slot["say"] for slot in spec.get("slots", {}).values()}
    texts |= set(spec.get("stuck", ["Sorry, that does not help me."]))
    transcript, memo = (), None
    for turn, reply in enumerate(replies, 1):
        move = given_(View(bare, turn, transcript, memo=memo))
        assert move == own(View(case_of(spec), turn, transcript, memo=memo))
        if not isinstance(move, Say):
            return
        assert move.text in texts or set(move.text.split()) <= texts
        memo = move.memo
        transcript = (*transcript, Message("user", move.text), Message("agent", reply))


KEYS = st.sampled_from(
    "acts slots patience stuck goodbye say when leave repeat asked pattern speaker".split()
)
PLAIN = any_of.texts() | st.sampled_from(("(", "{context.a}", "{{a}}", "user", 0, 3, True, None))
SPECS = st.recursive(
    PLAIN | any_of.json_values(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.dictionaries(any_of.texts(), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(OWNERS)), SPECS, st.booleans())
def test_an_owner_reads_its_field_or_names_all_its_problems(name, spec, opens) -> None:
    """Whatever JSON is there: the same value twice, or problems under that field's own path."""
    case = TestCase(goal="x", id="c1", agent_opens=opens, extra={name: spec}, context={"a": "b"})
    first, second = (read(name, case) for _ in range(2))
    assert first == second
    assert first != []
    for problem in first if isinstance(first, list) else ():
        assert problem.field.startswith(f"extra.{name}")
        assert problem.id == "c1"


def read(name: str, case: TestCase) -> object:
    """The value, or the list of what is wrong with it."""
    try:
        return OWNERS[name](case)
    except InvalidSpec as error:
        return list(error.problems)
