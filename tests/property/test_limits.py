"""What a model is sent stays within its limits, whatever it answers and however long that takes."""

import json
from math import inf, isfinite

from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.limits import AtOnce, Limits, Minute, Signal

seconds = st.floats(0, 40, allow_subnormal=False)
moves = st.lists(
    st.tuples(
        st.sampled_from(("send", "good", "429", "held", "left", "heard", "share")),
        seconds,
        st.integers(0, 50),
    ),
    max_size=120,
)
rates = st.none() | st.integers(1, 8)


class Sent:
    """Limits through random moves; remembers what was sent when, and what is under way."""

    def __init__(self, limits):
        self.limits, self.now = limits, 0.0
        self.under_way, self.times, self.tokens = [], [], []

    def move(self, what, passed, drawn):
        self.now += passed
        limits = self.limits
        match what:
            case "send":
                self.send(float(drawn))
            case "heard":
                self.limits = limits.heard(Signal("m", "lowered"), self.now)
            case "share":
                self.limits = limits.shared(1 + drawn % 4)
            case _ if self.under_way:
                ticket = self.under_way.pop(drawn % len(self.under_way))
                self.limits = {
                    "good": lambda: limits.answered(ticket, float(drawn)),
                    "429": lambda: limits.lowered(ticket.generation).left(),
                    "held": lambda: limits.held(self.now, passed).left(),
                    "left": limits.left,
                }[what]()

    def send(self, guess):
        tokens = self.limits.expected(guess)
        at = self.limits.free_at(self.now, tokens)
        assert at >= max(self.now, min(self.limits.held_until, at))
        if at == inf:
            assert len(self.under_way) >= self.limits.at_once.most
            return
        # As free as was said: never later, and no later than a pause and a minute from now.
        self.now = at
        assert self.limits.free_at(at, tokens) == at >= self.limits.held_until
        self.under_way.append(self.limits.ticket(at, tokens))
        self.limits = self.limits.admitted(at, tokens)
        self.times.append(at)
        assert len(self.under_way) <= self.limits.at_once.most


@given(st.integers(1, 20), rates, rates, st.integers(1, 4), moves)
def test_what_is_sent_is_within_the_limits(at_once, rpm, tpm, parts, moved) -> None:
    """Laws: never more under way than the limit, which is from 1 to its whole; nothing is sent in a
    pause; a request that may be sent in the end is told when."""
    sent = Sent(Limits.of(at_once, rpm=rpm, tpm=tpm, parts=parts))
    for one in moved:
        sent.move(*one)
        limit = sent.limits.at_once
        assert 1 <= limit.most <= limit.top <= max(1, at_once)
        assert sent.limits.under_way == len(sent.under_way)
        if minute := sent.limits.minute:
            assert minute.requests == sum(slot.requests for slot in minute.slots)
            assert abs(minute.tokens - sum(slot.tokens for slot in minute.slots)) < 0.001
        if sent.limits.under_way < limit.most:
            assert isfinite(sent.limits.free_at(sent.now))


@given(st.integers(1, 6), st.lists(seconds, max_size=60))
def test_no_sixty_seconds_have_more_requests_than_a_minute_may(rpm, gaps) -> None:
    """Law: of any rpm + 1 requests in a row the last is more than 60 s after the first; and nobody
    waits a second longer than that takes."""
    minute, now, times = Minute(rpm=rpm), 0.0, []
    for gap in gaps:
        now += gap
        at = minute.free_at(now, 0.0)
        earliest = times[-rpm] + 60 if len(times) >= rpm else now
        assert now <= at <= max(now, earliest + 1)
        now = at
        minute = minute.sent(now, 0.0)
        times.append(now)
    assert all(last - first > 60 for first, last in zip(times, times[rpm:], strict=False))


@given(st.integers(1, 500), st.integers(1, 200), st.lists(seconds, max_size=60))
def test_no_sixty_seconds_have_more_tokens_than_a_minute_may(tpm, each, gaps) -> None:
    """Law: where every request has as many tokens as the last, no 60 s have more than `tpm`, unless
    one request alone does."""
    minute, now, times = Minute(tpm=tpm), 0.0, []
    for gap in gaps:
        now = minute.free_at(now + gap, float(each))
        minute = minute.sent(now, float(each)).counted(int(now), float(each), expected=float(each))
        times.append(now)
    most = max(1, tpm // each)
    assert all(last - first > 60 for first, last in zip(times, times[most:], strict=False))


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=30))
def test_tokens_are_what_the_answers_had_not_what_was_expected(answers) -> None:
    """Law: what a minute holds is the sum of its answers, and the mean is between the extremes."""
    minute = Minute(tpm=10)
    for tokens in answers:
        expected = 100.0 if minute.mean is None else minute.mean
        sent = minute.sent(7.5, expected)
        minute = sent.counted(7, float(tokens), expected=expected)
    [slot] = minute.slots
    assert abs(slot.tokens - sum(answers)) < 0.001
    assert min(answers) - 0.001 <= minute.mean <= max(answers) + 0.001


@given(st.integers(1, 60), st.integers(1, 5), st.data())
def test_answers_to_what_was_sent_before_a_decrease_change_nothing(whole, parts, data) -> None:
    """Law: once for each generation, whatever comes in what order."""
    limit = AtOnce.of(whole, parts)
    under_way = data.draw(st.integers(1, limit.most))
    lowered = limit.lowered(0, under_way=under_way)
    assert lowered.most == max(1, under_way // 2)
    assert lowered.lowered(0, under_way=under_way) is lowered
    assert lowered.answered(0) is lowered
    assert lowered.heard(under_way=under_way) is lowered
    assert lowered.answered(lowered.generation).heard(under_way=1).most == 1


@given(st.integers(2, 60), st.integers(1, 5))
def test_it_grows_by_one_for_each_round_of_good_answers(whole, parts) -> None:
    """Law: after a decrease, one more after as many good answers as the limit, of all parts."""
    limit = AtOnce.of(whole * parts, parts).lowered(0, under_way=whole)
    while limit.most < limit.top:
        before = limit.most
        for _ in range(before * parts - 1):
            limit = limit.answered(limit.generation)
            assert limit.most == before
        limit = limit.answered(limit.generation)
        assert limit.most == before + 1
    assert limit.answered(limit.generation).most == limit.top == whole


@given(st.integers(1, 60))
def test_after_a_pause_it_begins_with_one_and_soon_has_what_it_had(whole) -> None:
    """Law: as many good answers as the limit had been are enough."""
    limit = AtOnce.of(whole).restarted()
    assert limit.most == 1
    for _ in range(whole):
        limit = limit.answered(limit.generation)
    assert limit.most == whole


@given(st.integers(1, 400), st.integers(1, 8), st.integers(1, 8))
def test_parts_of_a_limit_are_no_more_than_the_whole(whole, parts, later) -> None:
    """Law: all parts together are the whole, as far as each has one, also when they change."""
    limit = AtOnce.of(whole, parts)
    assert limit.most * parts <= max(whole, parts)
    assert limit.shared(later) == AtOnce.of(whole, later)
    low = limit.lowered(0, under_way=limit.most)
    assert 1 <= low.shared(later).most <= max(1, whole // later)


@given(st.builds(Signal, st.text(), st.sampled_from(("lowered", "held")), st.floats(0, 60)))
def test_a_signal_is_json(signal) -> None:
    """Law: what is written is what is read."""
    assert Signal(**json.loads(json.dumps(asdict(signal)))) == signal
