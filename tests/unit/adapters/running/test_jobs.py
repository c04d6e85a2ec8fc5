"""What goes to other processes and comes back from them."""

import json

from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.running.jobs import record_from_job, record_of_job
from convsim_adapters.running.recording import Record
from convsim_adapters.running.results import Usage

counts = st.integers(0, 9)
usages = st.builds(Usage, counts, counts, counts, st.none() | counts, cost=st.none() | st.just(0.5))
records = st.builds(Record, usages, st.just(1.5), st.just(2.5), counts, st.booleans())


@given(records)
def test_what_a_session_cost_comes_back_as_it_was(record: Record) -> None:
    """All of it, also what only counts when the session ends."""
    assert record_from_job(json.loads(json.dumps(record_of_job(record)))) == record
