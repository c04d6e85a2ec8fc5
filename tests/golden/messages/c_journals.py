"""What is said of what was recorded: damage, and conversations that do not go as they did."""

from zlib import crc32

from attrs import evolve

from convsim_fp import (
    Ports,
    Rules,
    TestCase,
    ToolCall,
    goals,
    replay,
    users,
)
from convsim_fp.core import AgentReplied, Failed, Failure, Lane, RequestId, start
from convsim_fp.core.json_values import freeze_object
from convsim_fp.journal import (
    Known,
    canonical_log,
    ended,
    of_replies,
    read_journal,
    read_segment,
    record_from_plain,
    record_to_plain,
    snapshot_before,
)
from convsim_fp.testing.playing import HEADER, play, records_of, segment_of
from convsim_fp.testing.strategies import Setting

CASE = TestCase(goal="a refund", id="refund", context={"order": "W7"})
RULES = Rules(users.scripted(["Hello.", "And now?"]), None)
MODELS = Rules(users.prompted(), goals.prompted(), max_turns=2)


def _model(request):
    return "no" if request.id.lane is Lane.GOAL_CHECK else f"I say {request.id.turn}."


PORTS = Ports(lambda request: f"Reply {request.id.turn}.", _model)
SETTING = Setting(RULES, CASE, PORTS)


def _line(text: str, number: int = 0) -> str:
    rest = f'"n":{number},{text}'
    return f'{{"crc":"{crc32(rest.encode("ascii")):08x}",{rest}\n'


def damaged(desk) -> None:
    whole = segment_of(records_of(play(SETTING)))
    first = whole.index("\n") + 1
    for text in (
        "hello\n",
        whole.replace("Hello", "Hallo", 1),
        whole[first:],
        whole[:first] + whole[:first],
        _line('"a":NaN}'),
        _line('"a":1} {}'),
        _line(f'"a":{"[" * 99_999}'),
        _line('"kind":"entry"}'),
        _line('"kind":"header","format":9}'),
        _line('"kind":"header","format":"one"}'),
    ):
        desk.by(read_segment, text, file="journal/0001.jsonl")


def records(desk) -> None:
    good = [record_to_plain(one) for one in records_of(play(SETTING))]
    entry, header = next(one for one in good if one["kind"] == "entry"), record_to_plain(HEADER)
    for plain in (
        {"kind": "gossip"},
        {},
        {**entry, "kept": "two"},
        {**entry, "kept": True, "colour": "red"},
        {**entry, "seen": {**entry["seen"], "id": "1-agent-0"}},
        {**entry, "seen": {**entry["seen"], "id": 7}},
        {**entry, "seen": "Hi."},
        {**entry, "seen": {**entry["seen"], "text": None}},
        {**entry, "more": "x"},
        {**entry, "facts": {"cost": "high", "attempts": 1.5}},
        {**entry, "digest": 7},
        {**header, "format": "1"},
        {"kind": "entry", "session": "a/1"},
    ):
        desk.by(record_from_plain, plain)


def sessions(desk) -> None:
    begun, *rest = records_of(play(SETTING))
    desk.by(_journal, rest)
    desk.by(_journal, [evolve(begun, snapshot="d" * 64), *rest])
    open_ = _journal(list(records_of(play(SETTING, cut=1)))).sessions[0]
    desk.by(canonical_log, open_, settings=freeze_object({}))
    desk.by(ended, Known(()), start(RULES, CASE).state)


def _journal(records):
    return read_journal([read_segment(segment_of(records))])


def _log(setting=SETTING, **how):
    return _journal(list(records_of(play(setting, **how)))).sessions[0]


def forks(desk) -> None:
    log = _log()
    desk.by(snapshot_before, RULES, log, 7)
    desk.by(snapshot_before, RULES, log, 0)
    desk.by(snapshot_before, RULES, _log(cut=1), 5)
    snapshot = snapshot_before(RULES, log, 2)
    desk.by(snapshot_before, RULES, evolve(log, snapshot=snapshot), 1)


def replays(desk) -> None:
    log, models = _log(), _log(Setting(MODELS, CASE, PORTS))
    other = Rules(users.scripted(["Hello.", "And then?\nTell me."]), None)
    desk.by(replay, other, CASE, log.entries)
    desk.by(replay, RULES, TestCase(goal="a refund", context={"order": "W8"}), log.entries)
    desk.by(replay, Rules(users.scripted(["Hello."]), None), CASE, log.entries)
    desk.by(replay, MODELS, evolve(CASE, goal="a refund of 9 EUR"), models.entries)
    desk.by(replay, Rules(users.prompted(may_leave=True), goals.prompted()), CASE, models.entries)
    desk.by(replay, Rules(users.prompted(), None), CASE, models.entries)
    desk.by(replay, RULES, CASE, models.entries)
    desk.by(
        replay, Rules(users.scripted(["Hello.", "And now?"]), goals.when("x")), CASE, log.entries
    )


def replies(desk) -> None:
    at = RequestId(1, Lane.AGENT)
    said, failed = AgentReplied(at, "Hi."), Failed(at, Failure("raised", "KeyError: 'shop'"))
    for then, now in (
        (said, AgentReplied(at, "Hello.\nHow are you?")),
        (said, failed),
        (failed, said),
        (said, AgentReplied(at, "Hi.", True, (ToolCall("find", {"order": 7}, "c"),))),
        (said, AgentReplied(at, "Hi.\r\n")),
        (AgentReplied(at, "a\n" * 90), AgentReplied(at, "b\n" * 80)),
    ):
        desk.by(lambda then=then, now=now: str(of_replies("refund/1", then, now)))


TRIGGERS = {
    "Journals that are damaged": damaged,
    "Records that are none": records,
    "Sessions that lack something": sessions,
    "Turns that no session can be forked at": forks,
    "Replays that depart from the record": replays,
    "Replies that differ": replies,
}
