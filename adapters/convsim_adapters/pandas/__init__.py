"""Test cases from DataFrames of pandas, and what a run came to as DataFrames.

NaN, None, NaT and NA mean absent, both ways. pandas is imported at the first call.

cases_from_frame   test cases, one a row
sessions_frame     one row for each session of a run
turns_frame        one row for each turn of its sessions
"""

from convsim_adapters.pandas.cases import cases_from_frame, parse_frame
from convsim_adapters.pandas.results import sessions_frame, turns_frame

__all__ = ["cases_from_frame", "parse_frame", "sessions_frame", "turns_frame"]
