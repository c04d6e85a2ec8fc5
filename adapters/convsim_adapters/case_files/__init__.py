"""Test cases from files: YAML, JSON, JSON lines, CSV, and task files of tau2-bench as they are.

Every problem of all files comes at once, with its file, line, case, field and what to do.

paths → `files` (size, encoding, format) → one of `json_text`, `yaml_text`, `csv_text` → records
with the lines of their parts (`located`), tasks of tau2-bench through `tau2` → `checking` → cases
"""

from convsim_adapters.case_files.loading import LoadedCases, Source, load_cases

__all__ = ["LoadedCases", "Source", "load_cases"]
