"""What is said of test cases as plain records, and of who plays them."""

from convsim_fp import ToolCall, goals, users
from convsim_fp.core import Message, TestCase, View, consult, parse_cases
from convsim_fp.interpreters import read_cases

DEEP: list = []
for _ in range(200):
    DEEP = [DEEP]

RECORDS = [
    "buy shoes",
    {},
    {"goal": 7, "persona": 8, "id": 9, "tags": 3, "simulation_guidelines": [1, "calm"]},
    {"goal": "  ", "id": " "},
    {"goal": "pay", "id": "pay", "gaol": "pay", 5: "five", "zzz": 1},
    {"goal": "pay", "id": "pay"},
    {"goal": "pay", "context": ["a"], "expectations": {"at": {1}}, "extra": {3: "x"}},
    {"goal": "pay", "context": {"messages": 1, "session_id": 2, "deep": DEEP}},
    {"goal": "pay", "context": {"messages": 1, "session_id": 2}},
    {"goal": "pay", "history": "hello"},
    {"goal": "pay", "history": [{"role": "boss", "content": "Hi."}, {"text": 5}, "Hi."]},
    {"goal": "pay", "history": [Message("them", 5, ("no call",))]},
    {"goal": "pay", "agent_opens": "yes", "max_turns": 0},
    {"goal": "pay", "agent_opens": True, "history": [{"role": "user", "content": "Hi."}]},
    {"goal": "pay", "script": ["Hi."], "extra": {"script": ["Bye."]}},
]


def records(desk) -> None:
    desk.by(parse_cases, "goal")
    desk.by(parse_cases, RECORDS, extras=("script", "agenda"))
    desk.by(TestCase, goal="", id="refund", max_turns=-1)
    desk.by(read_cases, [{"goal": "pay", "pesona": "calm"}])
    desk.by(read_cases, [{"goal": ""}, {"goal": None}])
    desk.by(ToolCall, 7, [1])


def _case(**extra):
    return TestCase(goal="a refund", id="refund", extra=extra)


BAD_AGENDA = {
    "acts": [
        "Hi {contxt.order}.",
        {"say": "  ", "when": 3, "repeat": "yes"},
        {"repeat": True, "say": "Again {context.order}."},
        {"whn": "sorry", "say": False},
        {"when": "bye"},
        {"leave": ["x"], "when": {"pattern": "("}},
        {"say": "x", "when": {"patern": ""}},
        ["Hi."],
    ],
    "slots": {"order": {"asked": "order number"}, "name": "Ann", "at": {"asked": ["x"], "say": ""}},
    "patience": 0,
    "stuck": [],
    "goodbye": "{context.name}",
}


def agendas(desk) -> None:
    desk.by(users.agenda_of, _case(agenda=BAD_AGENDA))
    for agenda in (
        None,
        [],
        "Hi.",
        {},
        {"acts": "x", "slots": [1]},
        {"slots": {}, "stuck": "{goal"},
    ):
        desk.by(users.agenda_of, _case(agenda=agenda))
    waits = [{"when": "hello", "say": "Hi."}]
    desk.by(users.agenda_of, _case(agenda=waits))
    desk.by(users.agenda(waits), View(_case(), 1))
    desk.by(users.agenda, {"acts": [object()]})
    desk.by(users.agenda, [{"say": "Hi.", "when": {"pattern": None}}])


def scripts(desk) -> None:
    desk.by(users.script_of, _case())
    desk.by(users.script_of, _case(script=[]))
    desk.by(users.script_of, _case(script=["My order is {context.order}.", 7, True]))
    desk.by(users.scripted, "Hello.")
    desk.by(users.scripted, ["{order} please"])
    desk.by(users.fill, "{goal} for {persona}", _case())


def facts(desk) -> None:
    desk.by(users.facts_of, _case(knows=[1], does_not_know={"a": 1}, language=["en"]))


def patterns(desk) -> None:
    for found in (None, [], "", "(", 7, [{"pattern": "x", "speaker": "boss"}, {"patern": "x"}]):
        desk.by(goals.patterns_of, _case(goal_when=found))
    desk.by(goals.when, "refunded", speaker="boss")
    desk.by(goals.when, "(")
    desk.by(goals.when, 7)


def combined(desk) -> None:
    desk.by(goals.all_of)
    desk.by(goals.any_of, goals.never, "refunded")
    desk.by(users.first, 0, users.prompted())
    strict = users.screened(users.scripted(["Damn."]), lambda view, text: "it swears")
    desk.by(lambda: list(consult(strict, View(_case(), 1))))


TRIGGERS = {
    "Test cases": records,
    "Agendas": agendas,
    "Scripts, and words with places": scripts,
    "What a user knows": facts,
    "What a goal check waits for": patterns,
    "Users and goal checks that are put together": combined,
}
