"""The laws of the interpreters, for answers that are functions of the request."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp import goals, users
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
from convsim_fp.errors import TimedOut
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
from convsim_fp.testing import drive, fake_agent, fake_model, observing
from convsim_fp.testing import strategies as any_of

SESSION = new_session("case-0")


def conversations() -> st.SearchStrategy[tuple[Rules, Ports]]:
    """Any at all, and as often some that talk on, with two requests out most of the time."""
    judges = (goals.prompted(), goals.all_of(goals.prompted(), goals.prompted()))
    talks, judged = st.just(users.prompted()), st.sampled_from(judges)
    rules = any_of.rules(talks, judged, overlap=st.booleans())
    replies = st.sampled_from(("Where is it?", "It is done.", "Thanks, and the other one?"))
    verdicts = st.sampled_from(("no", "no", "no", "yes", "perhaps", TimedOut("30 s")))
    ports = st.builds(
        Ports,
        agent=st.lists(replies, min_size=1, max_size=3).map(fake_agent),
        user_model=st.lists(replies, min_size=1, max_size=3).map(fake_model),
        goal_model=st.lists(verdicts, min_size=1, max_size=5).map(fake_model),
        user=st.just(fake_model(["Hello."])),
    )
    return st.tuples(any_of.rules(), any_of.ports()) | st.tuples(rules, ports)


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


@given(conversations(), any_of.cases(), st.sampled_from(list(MIXES)))
def test_sync_async_batch_and_by_hand_come_to_the_same_state(
    conversation: tuple[Rules, Ports], case: TestCase, mix: str
) -> None:
    """Whoever performs the requests, in threads or in a loop, overlapping or not."""
    rules, ports = conversation
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
    """Sees, at each request, whether it follows from what the sink holds."""

    def __init__(self, rules: Rules, begun: Step) -> None:
        self.rules, self.begun = rules, begun
        self.entries: list[Entry] = []
        self.asked: list[Request] = []
        self.early: list[Request] = []

    def look(self, request: Request) -> None:
        self.asked.append(request)
        if all(request not in each.requests for each in self.steps(self.entries)):
            self.early.append(request)

    def around(self, performed):
        def watched(request):
            self.look(request)
            return performed(request)

        return watched

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
        recorded = [entry.request.id for entry in self.entries if entry.request is not None]
        answered = {entry.request.id for entry in self.entries if not entry.wasted}
        asked = [request.id for request in self.asked]
        assert len(set(recorded)) == len(recorded)
        assert len(set(asked)) == len(asked)
        # What is forgotten may be recorded before its thread has come to ask it.
        assert answered <= set(asked) <= set(recorded)
        assert all(entry.session == self.begun.state.session for entry in self.entries)
        listed = {one.id for each in self.steps(self.entries) for one in each.requests}
        assert listed == set(recorded)


@given(conversations(), any_of.cases(), st.sampled_from(("threads", "loop", "both")))
def test_every_answer_is_with_the_sink_before_what_follows_from_it_is_asked(
    conversation: tuple[Rules, Ports], case: TestCase, way: str
) -> None:
    """When a request is performed, the entries so far lead to a state that waits for it."""
    rules, ports = conversation
    begun = start(rules, case, SESSION)
    watching = Watching(rules, begun)
    sink = watching.entries.append
    if way == "threads":
        end = converse(rules, begun, watching.around(perform(ports)), sink=sink)
    else:
        performed = aperform(made_async(ports) if way == "loop" else ports)
        end = asyncio.run(aconverse(rules, begun, watching.around(performed), sink=sink))
    assert end == by_hand(rules, case, ports)
    watching.check(end)


@given(
    conversations(),
    any_of.cases(),
    st.integers(0, 8),
    st.integers(0, 12),
    st.sampled_from((None, Interrupted("deadline", "30 s"))),
)
def test_a_conversation_that_was_cut_goes_on_from_its_entries_to_the_same_end(
    conversation: tuple[Rules, Ports],
    case: TestCase,
    answers: int,
    rounds: int,
    why: Interrupted | None,
) -> None:
    """Cut anywhere: the entries lead to the state, and without the cut to the end it missed."""
    rules, ports = conversation
    begun = start(rules, case, SESSION)
    watching = Watching(rules, begun)

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
    (first,) = begun.requests
    (second,) = step(rules, begun.state, AgentReplied(first.id, "Hi.")).requests
    watching = Watching(rules, begun)
    watching.look(first)
    assert watching.early == []
    watching.look(second)
    assert watching.early == [second]
