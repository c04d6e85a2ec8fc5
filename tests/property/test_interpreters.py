"""The laws of the interpreters, for answers that are functions of the request."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp import users
from convsim_fp.core import (
    AgentReplied,
    Interrupted,
    Request,
    Rules,
    State,
    Step,
    StopReason,
    TestCase,
    new_session,
    resume,
    start,
    step,
)
from convsim_fp.interpreters import (
    ConversationCancelled,
    Entry,
    Ports,
    aconverse,
    aconverse_all,
    aperform,
    converse,
    converse_all,
    perform,
)
from convsim_fp.journal.digests import digest
from convsim_fp.testing import drive, observing
from convsim_fp.testing import strategies as any_of

SESSION = new_session("case-0")


def hops(request: Request) -> int:
    """How many rounds of the loop an answer takes: any number, the same each time."""
    return sha256(digest(request).encode()).digest()[0] % 4


def in_loop(port):
    async def answer(request):
        for _ in range(hops(request)):
            await asyncio.sleep(0)
        return port(request)

    return answer


def each_port(wrap, ports: Ports) -> Ports:
    return Ports(*map(wrap, (ports.agent, ports.user_model, ports.goal_model, ports.user)))


def made_async(ports: Ports) -> Ports:
    return each_port(in_loop, ports)


def by_hand(rules: Rules, case: TestCase, ports: Ports) -> State:
    return drive(rules, start(rules, case, SESSION), observing(ports))


MIXES = {
    "sync": lambda ports: ports,
    "async": made_async,
    "mixed": lambda ports: evolve(ports, agent=in_loop(ports.agent)),
}


@given(any_of.rules(), any_of.cases(), any_of.ports(), st.sampled_from(list(MIXES)))
def test_sync_async_batch_and_by_hand_come_to_the_same_state(
    rules: Rules, case: TestCase, ports: Ports, mix: str
) -> None:
    """Whoever performs the requests, in threads or in a loop, overlapping or not."""
    end, mixed = by_hand(rules, case, ports), MIXES[mix](ports)
    for each in (evolve(rules, overlap=False), evolve(rules, overlap=True)):
        begun = start(each, case, SESSION)
        assert converse(each, begun, perform(ports)) == end
        assert asyncio.run(aconverse(each, begun, aperform(mixed))) == end
        assert converse_all([case], each, mixed) == (end,)
        assert asyncio.run(aconverse_all([case], each, lambda session: mixed)) == (end,)


@given(
    any_of.rules(),
    st.lists(any_of.cases(), max_size=4),
    any_of.ports(),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 2),
)
def test_a_batch_is_its_sessions_one_by_one(
    rules: Rules, cases: list[TestCase], ports: Ports, trials: int, concurrency: int, seed: int
) -> None:
    """Neighbours, their number and the bound change nothing; states come in order."""
    expected = tuple(
        drive(rules, start(rules, case, new_session(f"case-{n}", trial, seed)), observing(ports))
        for n, case in enumerate(cases)
        for trial in range(1, trials + 1)
    )
    options = {"trials": trials, "concurrency": concurrency, "seed": seed}
    assert converse_all(cases, rules, made_async(ports), **options) == expected


class Watching:
    """Ports and a sink that see, at each request, whether it follows from what the sink holds."""

    def __init__(self, rules: Rules, begun: Step, ports: Ports) -> None:
        self.rules, self.begun = rules, begun
        self.entries: list[Entry] = []
        self.asked: list[Request] = []
        self.early: list[Request] = []
        self.ports = each_port(self.watched, ports)

    def watched(self, port):
        def answer(request):
            self.asked.append(request)
            if all(request not in each.requests for each in self.steps(self.entries)):
                self.early.append(request)
            return port(request)

        return answer

    def steps(self, entries: Sequence[Entry]) -> list[Step]:
        """Every step that the entries lead through."""
        reached = [self.begun]
        for entry in list(entries):
            if not entry.wasted:
                seen = entry.observed.observation
                reached.append(step(self.rules, reached[-1].state, seen))
        return reached

    def check(self, end: State) -> None:
        """Afterwards the entries tell the whole story, with each request once."""
        assert not self.early
        assert self.steps(self.entries)[-1].state == end
        recorded = [entry.request for entry in self.entries if entry.request is not None]
        assert {one.id for one in recorded} == {one.id for one in self.asked}
        assert len({one.id for one in recorded}) == len(recorded) == len(self.asked)
        assert all(entry.session == self.begun.state.session for entry in self.entries)
        needed = {one.id for each in self.steps(self.entries) for one in each.requests}
        assert needed == {one.id for one in recorded}


@given(any_of.rules(), any_of.cases(), any_of.ports(), st.sampled_from(("threads", "loop", "both")))
def test_every_answer_is_with_the_sink_before_what_follows_from_it_is_asked(
    rules: Rules, case: TestCase, ports: Ports, way: str
) -> None:
    """When a request is performed, the entries so far lead to a state that waits for it."""
    begun = start(rules, case, SESSION)
    watching = Watching(rules, begun, ports)
    sink = watching.entries.append
    if way == "threads":
        end = converse(rules, begun, perform(watching.ports), sink=sink)
    else:
        watched = made_async(watching.ports) if way == "loop" else watching.ports
        end = asyncio.run(aconverse(rules, begun, aperform(watched), sink=sink))
    assert end == by_hand(rules, case, ports)
    watching.check(end)


@given(
    any_of.rules(),
    any_of.cases(),
    any_of.ports(),
    st.integers(0, 8),
    st.integers(0, 12),
    st.sampled_from((None, Interrupted("deadline", "30 s"))),
)
def test_a_conversation_that_was_cut_goes_on_from_its_entries_to_the_same_end(
    rules: Rules, case: TestCase, ports: Ports, answers: int, rounds: int, why: Interrupted | None
) -> None:
    """Cut anywhere: the entries lead to the state, and without the cut to the end it missed."""
    begun = start(rules, case, SESSION)
    watching = Watching(rules, begun, made_async(ports))

    async def cut() -> State:
        reached = asyncio.Event()

        def sink(entry: Entry) -> None:
            watching.entries.append(entry)
            if len(watching.entries) >= answers:
                reached.set()

        performed = aperform(made_async(ports))
        task = asyncio.create_task(aconverse(rules, begun, performed, sink=sink))
        waiting = asyncio.create_task(reached.wait())
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        for _ in range(rounds):
            await asyncio.sleep(0)
        waiting.cancel()
        if task.done() or not task.cancel(why):
            return task.result()
        try:
            return await task
        except asyncio.CancelledError as error:
            assert task.cancelled()
            found = ConversationCancelled.behind(error)
            return begun.state if found is None else found.state

    state = asyncio.run(cut())
    told = [entry for entry in watching.entries if entry.request is not None]
    if len(told) < len(watching.entries):
        expected = StopReason.CANCELLED if why is None else StopReason.DEADLINE
        assert state.phase.reason is expected
        assert watching.steps(watching.entries)[-1].state == state
    whole = watching.steps(told)[-1]
    assert resume(rules, whole.state) == whole
    assert drive(rules, whole, observing(ports)) == by_hand(rules, case, ports)


def test_the_watch_sees_a_request_that_comes_too_early() -> None:
    rules = Rules(users.scripted(["One.", "Two."]), None)
    begun = start(rules, TestCase(goal="x"), SESSION)
    watching = Watching(rules, begun, Ports(*[lambda request: "Hi."] * 4))
    (first,) = begun.requests
    (second,) = step(rules, begun.state, AgentReplied(first.id, "Hi.")).requests
    watching.ports.agent(first)
    assert watching.early == []
    watching.ports.agent(second)
    assert watching.early == [second]
