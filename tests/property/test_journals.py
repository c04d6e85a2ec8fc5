"""What a journal gives back of any session: what happened, and the same states again."""

from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from convsim_fp.core import (
    Generate,
    Interrupted,
    LaneReplies,
    Observed,
    Request,
    Session,
    Speaking,
    Step,
    resume,
)
from convsim_fp.interpreters import Entry, Ports
from convsim_fp.journal import (
    Discarded,
    Parent,
    Record,
    Recorded,
    SessionLog,
    begun_from,
    calls_again,
    calls_of,
    digest,
    discarding,
    read_journal,
    read_segment,
    replay,
    resumed,
    snapshot_before,
)
from convsim_fp.testing import strategies as any_of
from convsim_fp.testing.journals import interruptions, played
from convsim_fp.testing.playing import Played, play, records_of, segment_of

CUTS = st.none() | st.integers(0, 8)


def log_of(*segments: tuple[Record, ...]) -> SessionLog:
    """The one session of a journal, through its text."""
    (log,) = read_journal(read_segment(segment_of(records)) for records in segments).sessions
    return log


def read(done: Played) -> SessionLog:
    return log_of(tuple(records_of(done)))


def content_of(request: Request | None) -> object:
    if request is None:
        return None
    return request.prompt if isinstance(request, Generate) else request.transcript


@given(played(cut=CUTS))
def test_what_is_written_is_read(done: Played) -> None:
    """Each entry as it was: what was asked, what came back, its facts and its digest."""
    log = read(done)
    assert (log.session, log.case) == (done.end.session, done.end.case)
    assert len(log.entries) == len(done.entries)
    for one, entry in zip(log.entries, done.entries, strict=True):
        assert one.seen == entry.observed.observation
        assert one.facts == entry.observed.facts
        assert one.content == content_of(entry.request)
        assert one.digest == ("" if entry.request is None else digest(entry.request))
        assert one.void == one.wasted == entry.wasted
        assert not one.rebuilt


@given(played(cut=CUTS))
def test_the_end_and_what_was_said_are_read(done: Played) -> None:
    """The last phase, the verdicts and the transcript of a session that ended; else no end."""
    log, end = read(done), done.end
    assert (log.ended is None) == (end.stop_reason is None)
    if log.ended is not None:
        assert (log.ended.phase, log.ended.verdicts) == (end.phase, end.verdicts)
        assert log.transcript == end.transcript
    assert end.transcript[: len(log.transcript)] == log.transcript


@given(played(cut=CUTS), st.sampled_from(("content", "ids")))
def test_a_replay_comes_to_the_same_state(done: Played, check) -> None:
    """From the log alone, whether overlap was on then, and is on now."""
    log, rules = read(done), done.setting.rules
    for overlap in (True, False):
        now = evolve(rules, overlap=overlap)
        found = replay(now, log.case, log.entries, session=log.session, check=check)
        assert found == resume(now, done.end)


@given(played(), st.data())
def test_a_replay_of_any_prefix_waits_for_what_was_asked_next(done: Played, data) -> None:
    """As many entries as there are: the state after them, and its requests."""
    log, rules = read(done), done.setting.rules
    at = data.draw(st.integers(0, len(log.entries)), label="entries")
    for overlap in (True, False):
        now = evolve(rules, overlap=overlap)
        found = replay(now, log.case, log.entries[:at], session=log.session)
        assert found == resume(now, done.steps[at].state)
    assert replay(rules, log.case, log.entries[:at], session=log.session) == done.steps[at]


@given(played(), st.data())
def test_the_order_in_which_entries_came_does_not_matter(done: Played, data) -> None:
    """A replay answers each request with what stands in its place."""
    log = read(done)
    shuffled = data.draw(st.permutations(log.entries), label="order")
    found = replay(done.setting.rules, log.case, shuffled, session=log.session)
    assert found.state == done.end


@given(played(cut=st.integers(0, 8)), st.lists(interruptions(), max_size=2))
def test_an_interruption_is_shown_until_the_session_goes_on(
    done: Played, again: list[Interrupted]
) -> None:
    """Replay ends with it, resuming leaves it out; what comes after it makes it void."""
    rules = done.setting.rules
    before = read(done)
    cut = [entry.request is None for entry in done.entries].count(True)
    assert (before.interrupted is not None) == bool(cut)
    step = resumed(rules, before)
    assert not step.state.stop_reason or not cut
    segments = [tuple(records_of(done))]
    at_once = [play(done.setting, step, cut=0, why=why) for why in again if step.requests]
    segments += [tuple(records_of(one)) for one in at_once]
    last = log_of(*segments)
    assert resumed(rules, last) == step
    assert [one.id for one in last.folded].count(None) <= 1
    segments.append(tuple(records_of(play(done.setting, step))))
    end = log_of(*segments)
    assert end.interrupted is None or not step.requests
    assert (
        replay(rules, end.case, end.entries, session=end.session).state
        == play(done.setting, resume(rules, step.state)).end
    )


@given(
    any_of.conversations(),
    st.lists(st.tuples(st.integers(0, 4), st.none() | interruptions()), max_size=4),
    any_of.schedules(),
    st.booleans(),
)
def test_a_session_cut_any_number_of_times_comes_to_the_undisturbed_end(
    setting: any_of.Setting,
    cuts: list[tuple[int, Interrupted | None]],
    schedule: list[int],
    rebuilding: bool,
) -> None:
    """Killed or interrupted, then taken up from the text: nothing answered is asked again."""
    undisturbed = play(setting)
    segments: list[tuple[Record, ...]] = []
    step: Step | None = None
    answered: list[Entry] = []
    for cut, why in (*cuts, (None, None)):
        again = rebuilt(log_of(*segments), step) if rebuilding and step is not None else ()
        part = play(setting, step, schedule=schedule, cut=cut, why=why)
        answered += [one for one in part.entries if one.request is not None and not one.wasted]
        part = Played(setting, part.steps, (*again, *part.entries))
        segments.append(tuple(records_of(part)))
        step = resumed(setting.rules, log_of(*segments))
        assert step.state.verdicts == part.end.verdicts
    log = log_of(*segments)
    ids = [one.request.id for one in answered if one.request is not None]
    assert len(ids) == len(set(ids))
    assert [one.id for one in log.folded] == ids
    assert step is not None
    assert step.state == undisturbed.end
    assert replay(setting.rules, log.case, log.entries, session=log.session).state == step.state
    if log.ended is not None:
        assert log.transcript == undisturbed.end.transcript
        assert log.ended.phase == undisturbed.end.phase


def rebuilt(log: SessionLog, step: Step) -> tuple[Entry, ...]:
    """The calls of a session that is taken up, made again, with the same replies."""
    again = calls_again(calls_of(log), log.case, log.session, step.state.transcript)
    made = (Observed(call.expected) for call in again)
    return tuple(
        Entry(log.session, call.request, observed, rebuilt=True)
        for call, observed in zip(again, made, strict=True)
    )


@given(played(), st.data())
def test_a_fork_shares_what_was_before_its_turn(done: Played, data) -> None:
    """With the same answers it comes to the same end, and its journal gives it back."""
    rules, log = done.setting.rules, read(done)
    turns = [one.state.phase.turn for one in done.steps if is_free_turn(one)]
    assume(turns)
    turn = data.draw(st.sampled_from(turns), label="turn")
    snapshot = snapshot_before(rules, log, turn)
    name = Session("fork/1", 1, log.session.seed)
    parent = Parent("run", log.session.id, turn)
    begun = resume(rules, evolve(snapshot.state, session=name))
    fork = play(done.setting, begun)
    assert fork.end == evolve(done.end, session=name)
    records = (*records_of(done), snapshot, *records_of(fork, snapshot=snapshot, parent=parent))
    _, found = read_journal([read_segment(segment_of(records))]).sessions
    assert (found.snapshot, found.parent) == (snapshot, parent)
    assert found.transcript == fork.end.transcript
    again = begun_from(rules, found)
    assert again == begun
    assert replay(rules, found.case, found.entries, session=name, begun=again).state == fork.end
    assert [call.seen for call in calls_of(found)] == [call.seen for call in calls_of(log)]


def is_free_turn(step: Step) -> bool:
    """Whether the user is about to speak for the first time in a turn."""
    phase = step.state.phase
    return isinstance(phase, Speaking) and phase.closing is None and phase.user == LaneReplies()


@given(played(), any_of.ports())
def test_what_failed_is_tried_again_and_nothing_else(done: Played, ports: Ports) -> None:
    """All replies of the decision that failed are discarded; the others are not asked again."""
    setting, log = done.setting, read(done)
    discarded = discarding(done.end)
    assume(discarded is not None and len(log.without(discarded).folded) < len(log.folded))
    assert discarded is not None
    step = resumed(setting.rules, log.without(discarded))
    assert (discarded.turn, discarded.lane) in [(r.id.turn, r.id.lane) for r in step.requests]
    assert all(
        request.id.nth == 0 for request in step.requests if request.id.lane is discarded.lane
    )
    again = play(evolve(setting, ports=ports), step)
    begun, *rest = records_of(again)
    last = log_of(tuple(records_of(done)), (begun, discarded, *rest))
    assert resumed(setting.rules, last).state == again.end
    kept = [one for one in log.entries if not one.void and is_kept(one, discarded)]
    asked = [entry.request.id for entry in again.entries if entry.request and not entry.wasted]
    assert [one.id for one in last.folded] == [one.id for one in kept] + asked


def is_kept(one: Recorded, discarded: Discarded) -> bool:
    return one.id is not None and (one.id.turn, one.id.lane) != (discarded.turn, discarded.lane)
