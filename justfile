bin := justfile_directory() / ".venv" / "bin"

# What there is to do.
default:
    @just --list

# A virtual environment with everything that development needs.
setup:
    python3 -m venv .venv
    {{bin}}/pip install -q -c constraints.txt -e '.[dev]'

# Rewrite the code in the house style.
fmt:
    {{bin}}/ruff format
    {{bin}}/ruff check --fix

# Style and borders.
lint:
    {{bin}}/ruff format --check
    {{bin}}/ruff check
    {{bin}}/lint-imports

# Both type checkers, strict.
types:
    {{bin}}/mypy
    {{bin}}/basedpyright --pythonpath {{bin}}/python

# All tests but the benchmarks; arguments go to pytest.
test *args:
    {{bin}}/pytest -n auto {{args}}

# The laws, with as many examples as in CI.
props *args:
    HYPOTHESIS_PROFILE=ci {{bin}}/pytest -n auto tests/property {{args}}

# A thousand kills of running processes; CI makes a hundred.
chaos kills="1000":
    CONVSIM_KILLS={{kills}} {{bin}}/pytest -n auto -rP tests/chaos

# Branch coverage; the pure core has to reach all of it.
cover:
    {{bin}}/pytest -n auto --cov --cov-report=
    {{bin}}/coverage report --fail-under=100 --include='convsim_fp/core/*,convsim_fp/users/*,convsim_fp/goals/*'

# Links and references are checked; the pages land in docs/_build.
docs:
    {{bin}}/sphinx-build -W --keep-going -n -q docs docs/_build

# Time and memory, one process at a time, in a fixed order.
bench *args:
    CONVSIM_WRITE_FIGURES=1 {{bin}}/pytest tests/benchmarks -m benchmark -p no:randomly -s {{args}}

# The drop-in with other releases of MLflow, each in an environment of its own: just mlflow 3.11.1
mlflow *versions:
    #!/usr/bin/env bash
    set -euo pipefail
    for found in {{versions}}; do
        here=$(mktemp -d)
        python3 -m venv "$here"
        "$here/bin/pip" install -q -e '.[all]' "mlflow==$found" pytest-xdist
        "$here/bin/python" -m pytest -q -n auto tests/integration/mlflow
        CONVSIM_MLFLOW_PUBLIC_ONLY=1 "$here/bin/python" -m pytest -q -n auto tests/integration/mlflow
        rm -r "$here"
    done

# What the README begins with.
demo:
    {{bin}}/convsim demo

# Everything that CI checks, on a copy of the tree.
check:
    bash .ci/run

# Source distribution and wheel, in dist/.
wheel:
    {{bin}}/python -m build --no-isolation
