"""Messages that `test_messages` does not provoke, and why; by file, or by file and function."""

PROCESSES = (
    "said where a process of a run is lost: tests/e2e/test_processes_command.py, tests/chaos"
)
LITELLM = "litellm takes seconds to import: tests/integration/models/test_litellm.py"
SIGNALS = "needs a signal: tests/integration/interpreters/test_signals.py"
OURS = "says that convsim itself is wrong; no user's doing leads there"
CODEC = "the fast way of reading a record, whose words nobody sees: the careful way finds others"
KIT = "said to those who test a port or a behaviour of their own: tests/conformance"
FOLLOWED = "of a run that goes on while somebody looks: tests/e2e/test_show_watch.py"

STORES = "needs a store of MLflow's: tests/e2e/test_mlflow_command.py"

ELSEWHERE = {
    "convsim_fp/core/reading.py:_unique_keys": "taken for an answer that cannot be read",
    "convsim_fp/interpreters/own_loop.py:in_own_loop": SIGNALS,
    "convsim_fp/interpreters/threads.py:converse": SIGNALS,
    "convsim_fp/interpreters/threads.py:_raise": SIGNALS,
    "convsim_fp/journal/canonical.py:_place": OURS,
    "convsim_fp/journal/codec.py:_strict.strict": CODEC,
    "convsim_fp/journal/entries.py:_seen": CODEC,
    "convsim_fp/journal/entries.py:_calls": CODEC,
    "convsim_fp/journal/logs.py:_record": "a record with a good checksum that is none: test_damage",
    "convsim_fp/journal/writing.py:read_back": OURS,
    "convsim_fp/testing/conformance.py": KIT,
    "convsim_fp/testing/fakes.py": KIT,
    "convsim_fp/testing/sinks.py": KIT,
    "convsim_fp/testing/strategies.py": KIT,
    "convsim_adapters/agent_http.py:_read": "64 MB: tests/integration/models/test_agent_http.py",
    "convsim_adapters/openai_http.py:_whole": "64 MB: tests/integration/models/test_openai_http.py",
    "convsim_adapters/openai_http.py:_Port.answer": "needs a certificate that is not trusted",
    "convsim_adapters/case_files/loading.py:_read_yaml": "said where PyYAML is not installed",
    "convsim_adapters/case_files/yaml_text.py:_unreadable": "of the parser in Python alone",
    "convsim_adapters/cli/commands.py:run_command": "the traceback of a bug",
    "convsim_adapters/cli/to_mlflow.py:ended_in_mlflow": STORES,
    "convsim_adapters/cli/to_mlflow.py:_say_refused": STORES,
    "convsim_adapters/cli/to_mlflow.py:export": STORES,
    "convsim_adapters/cli/to_mlflow.py:export.exported": STORES,
    "convsim_adapters/cli/report.py:report": "needs a machine without a browser",
    "convsim_adapters/cli/watch.py": FOLLOWED,
    "convsim_adapters/journal_files/following.py": FOLLOWED,
    "convsim_adapters/journal_files/locking.py:held": PROCESSES,
    "convsim_adapters/journal_files/locking.py:_wait_for_workers": PROCESSES,
    "convsim_adapters/limits/limiter.py:Limiter._say": "tests/unit/adapters/test_limits.py",
    "convsim_adapters/litellm.py": LITELLM,
    "convsim_adapters/running/execution.py:_check_still_so": PROCESSES,
    "convsim_adapters/running/jobs.py:_param_problems": PROCESSES,
    "convsim_adapters/running/replaying.py:_outcome": "words are as those of other divergences",
    "convsim_adapters/running/tested.py:_nobody": OURS,
    "convsim_adapters/running/workers.py": PROCESSES,
    "convsim_adapters/running/worker.py": PROCESSES,
}
