"""Nothing that is read can run code: no pickles, no evaluation, no unsafe YAML."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "convsim_fp", ROOT / "adapters" / "convsim_adapters")
MODULES = {"cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"}
CALLS = {"eval", "exec", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}
LOADERS = {"FullLoader", "Loader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}


def breaches(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield module
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                if name in CALLS:
                    yield f"{name}()"
            case ast.Attribute(value=ast.Name(id="yaml"), attr=name) if name in LOADERS:
                yield f"yaml.{name}"


@pytest.mark.parametrize("package", SHIPPED, ids=lambda path: path.name)
def test_nothing_that_is_read_runs_code(package: Path) -> None:
    files = sorted(package.rglob("*.py"))
    assert files
    found = {str(file): [*breaches(file.read_text("utf-8"))] for file in files}
    assert {file: names for file, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import pickle", "pickle"),
        ("from pickle import loads", "pickle"),
        ("def f():\n    import dill.source", "dill.source"),
        ("x = eval('1')", "eval()"),
        ("yaml.unsafe_load(text)", "unsafe_load()"),
        ("yaml.load(text, Loader=yaml.Loader)", "yaml.Loader"),
    ],
)
def test_a_planted_breach_is_named(code: str, told: str) -> None:
    assert list(breaches(code)) == [told]
