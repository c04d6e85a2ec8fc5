import warnings

import pytest

from convsim_fp.core import TestCase
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import UnknownFieldWarning, read_cases


def test_records_become_cases() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_cases([{"goal": "pay"}, TestCase(goal="go")]) == (
            TestCase(goal="pay"),
            TestCase(goal="go"),
        )


def test_an_unknown_field_is_a_warning_where_the_caller_stands() -> None:
    with pytest.warns(UnknownFieldWarning, match="personna") as caught:
        read_cases([{"goal": "pay", "personna": "old"}])
    assert caught[0].filename == __file__


def test_all_problems_are_raised_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        read_cases([{"goal": ""}, {"goal": "pay"}, 7])
    assert [problem.index for problem in caught.value.problems] == [0, 2]
