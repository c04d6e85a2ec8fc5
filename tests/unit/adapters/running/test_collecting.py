"""The collector's thresholds while runs go on, and after them."""

import gc
from collections.abc import Iterator
from threading import Barrier, Thread

import pytest

from convsim_adapters import simulate
from convsim_adapters.running.collecting import RARELY, rarely_collected

CASE = {"goal": "greet", "script": ["Hello."], "goal_when": "hi"}


@pytest.fixture(autouse=True)
def pythons_own() -> Iterator[tuple[int, int, int]]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield (700, 10, 10)
    gc.set_threshold(*before)


def test_a_run_is_rarely_collected_and_all_is_as_it_was_behind_it(pythons_own) -> None:
    seen = []

    def agent(messages) -> str:
        seen.append(gc.get_threshold())
        return "Hi."

    simulate([CASE], agent, save=False)
    assert seen == [RARELY]
    assert gc.get_threshold() == pythons_own


def test_what_breaks_a_run_does_not_keep_the_thresholds(pythons_own) -> None:
    def broken() -> None:
        with rarely_collected():
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        broken()
    assert gc.get_threshold() == pythons_own


def test_runs_that_overlap_in_any_way_give_back_what_was_before_the_first(pythons_own) -> None:
    both, one_left = Barrier(2), Barrier(2)

    def first() -> None:
        with rarely_collected():
            both.wait(10)
        one_left.wait(10)

    thread = Thread(target=first)
    thread.start()
    with rarely_collected():
        both.wait(10)
        one_left.wait(10)
        assert gc.get_threshold() == RARELY
    thread.join(10)
    assert gc.get_threshold() == pythons_own


@pytest.mark.parametrize("own", [(0, 10, 10), (90_000, 5, 5)])
def test_who_has_switched_it_off_or_chosen_more_keeps_that(own) -> None:
    gc.set_threshold(*own)
    with rarely_collected():
        assert gc.get_threshold() == own
    assert gc.get_threshold() == own
