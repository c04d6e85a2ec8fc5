"""The pure packages know no effect and change nothing: what imports alone cannot show.

A tripwire, not a proof: it reads names, not values. Each rule is shown to catch a planted breach.
"""

import ast
import builtins
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

ROOT = Path(__file__).parents[2]
PURE = ("core", "errors.py", "goals", "journal", "texts", "users")

# What may be imported, not what may not: each addition is a decision.
ALLOWED = frozenset(
    "__future__ attrs collections convsim_fp difflib enum functools hashlib inspect itertools json "
    "math operator re string textwrap types typing unicodedata zlib".split()
)
ALLOWED_IN = {"journal": {"cattrs"}}

CONTAINERS = frozenset(
    "bytearray dict list set Counter OrderedDict defaultdict deque "
    "collections.Counter collections.OrderedDict collections.defaultdict collections.deque".split()
)
DISPLAYS = (ast.Dict, ast.DictComp, ast.List, ast.ListComp, ast.Set, ast.SetComp)
MUTATORS = frozenset(
    "add append appendleft clear discard extend extendleft insert pop popitem popleft remove "
    "reverse setdefault sort update __delattr__ __delitem__ __setattr__ __setitem__".split()
)
FORBIDDEN_CALLS = frozenset(
    "__import__ breakpoint compile delattr eval exec globals id input locals open print "
    "setattr vars".split()
)
FROZEN = frozenset({"attrs.frozen", "attr.frozen"})
ENUMS = frozenset({"Enum", "Flag", "IntEnum", "IntFlag", "StrEnum"})
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@frozen
class Breach:
    """One place that breaks a rule."""

    rule: str
    where: str
    what: str


def breaches(package: Path) -> tuple[Breach, ...]:
    """Read the pure packages of a `convsim_fp` folder and list every breach."""
    files = [file for name in PURE for file in files_of(package / name)]
    trees = {file: ast.parse(file.read_text("utf-8")) for file in files}
    exceptions = exception_names(trees.values())
    return tuple(
        Breach(rule, f"{file.relative_to(package)}:{line}", what)
        for file, tree in trees.items()
        for rule, line, what in _breaches(tree, file.relative_to(package).parts[0], exceptions)
    )


def files_of(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def exception_names(trees) -> frozenset[str]:
    """Names of exception classes: the builtin ones and whatever derives from a known one."""
    known = {
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    classes = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    while True:
        found = {c.name for c in classes if any(last_name(b) in known for b in c.bases)} - known
        if not found:
            return frozenset(known)
        known |= found


def _breaches(tree: ast.Module, package: str, exceptions) -> Iterator[tuple[str, int, str]]:
    names = dict(imported(tree))
    yield from _imports(tree, package)
    yield from _module_level(tree.body)
    yield from _scope(tree, frozenset(), in_exception_init=False)
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef():
                yield from _module_level(node.body)
                if not is_immutable(node, names, exceptions):
                    yield "class", node.lineno, f"{node.name} is not frozen"
                yield from _frozen_off(node)
            case ast.Global() | ast.Nonlocal():
                yield "global", node.lineno, ", ".join(node.names)
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield "async", node.lineno, "async code"
            case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
                yield "call", node.lineno, f"{name}()"
            case ast.Attribute(attr="__dict__"):
                yield "call", node.lineno, "__dict__"


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Local name and full name of everything that is imported."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield alias.asname or alias.name.partition(".")[0], alias.name
            case ast.ImportFrom(module=module, names=aliases):
                for alias in aliases:
                    yield alias.asname or alias.name, f"{module}.{alias.name}"


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[str, int, str]]:
    allowed = ALLOWED | ALLOWED_IN.get(package, set())
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                modules = [alias.name for alias in aliases]
            case ast.ImportFrom(module=module):
                modules = [module or "."]
            case _:
                continue
        for module in modules:
            if module.partition(".")[0] not in allowed:
                yield "import", node.lineno, module


def _module_level(body: list[ast.stmt]) -> Iterator[tuple[str, int, str]]:
    """Containers that could change, held by a module or a class."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                continue  # a list by convention
            case ast.AnnAssign(target=ast.Name(id="__all__")):
                continue
            case ast.Assign(value=value) | ast.AnnAssign(value=value) if value is not None:
                if any(is_container(part) for part in parts(value)):
                    yield "container", node.lineno, ast.unparse(node)[:60]
            case ast.AugAssign():
                yield "mutation", node.lineno, ast.unparse(node)[:60]
            case ast.If(body=inner, orelse=other):
                yield from _module_level(inner + other)


def parts(value: ast.expr) -> Iterator[ast.expr]:
    """An expression, and what a tuple or a choice of it holds."""
    yield value
    match value:
        case ast.Tuple(elts=inner):
            pass
        case ast.IfExp(body=a, orelse=b) | ast.BinOp(left=a, right=b):
            inner = [a, b]
        case ast.BoolOp(values=inner):
            pass
        case _:
            inner = []
    for part in inner:
        yield from parts(part)


def is_container(value: ast.expr) -> bool:
    """Whether an expression makes a new container that can change."""
    match value:
        case ast.Call(func=func):
            return ast.unparse(func) in CONTAINERS
        case _:
            return isinstance(value, DISPLAYS)


def is_immutable(node: ast.ClassDef, names: dict[str, str], exceptions) -> bool:
    called = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    decorators = {full_name(d, names) for d in called}
    bases = {last_name(base) for base in node.bases}
    return bool(decorators & FROZEN or bases & (ENUMS | {"Protocol"}) or bases & exceptions)


def _frozen_off(node: ast.ClassDef) -> Iterator[tuple[str, int, str]]:
    for decorator in node.decorator_list:
        for keyword in getattr(decorator, "keywords", ()):
            if keyword.arg in {"frozen", "on_setattr"}:
                yield "class", decorator.lineno, f"{node.name} changes what frozen means"


def full_name(node: ast.expr, names: dict[str, str]) -> str:
    root, dot, rest = ast.unparse(node).partition(".")
    return names.get(root, root) + dot + rest


def last_name(base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):
        base = base.value
    return ast.unparse(base).rpartition(".")[2]


def _scope(node, own: frozenset[str], *, in_exception_init: bool) -> Iterator[tuple[str, int, str]]:
    """Changes to anything but a container that this very function made."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, SCOPES):
            exempt = getattr(child, "name", "") == "__init__"  # only exceptions write one
            yield from _scope(child, made_here(child), in_exception_init=exempt)
            continue
        yield from _changes(child, own, in_exception_init)
        yield from _scope(child, own, in_exception_init=in_exception_init)


def _changes(node, own, in_exception_init) -> Iterator[tuple[str, int, str]]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            pass
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            targets = [target]
        case ast.withitem(optional_vars=target) if target is not None:
            targets = [target]
        case ast.Call(func=ast.Attribute(value=holder, attr=name)) if name in MUTATORS:
            if not (isinstance(holder, ast.Name) and holder.id in own):
                yield "mutation", node.lineno, ast.unparse(node)[:60]
            return
        case _:
            return
    for target in targets:
        for part in ast.walk(target):
            match part:
                case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()) if in_exception_init:
                    continue
                case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()) if name in own:
                    continue
                case ast.Attribute(ctx=ast.Store() | ast.Del()):
                    yield "mutation", part.lineno, ast.unparse(part)[:60]
                case ast.Subscript(ctx=ast.Store() | ast.Del()):
                    yield "mutation", part.lineno, ast.unparse(part)[:60]


def made_here(function) -> frozenset[str]:
    """Local names that only ever hold a container, or a digest, made or copied in this function."""
    made: set[str] = set()
    other: set[str] = {a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg)}
    body = function.body if isinstance(function.body, list) else []
    todo = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, (*SCOPES, ast.ClassDef)):
            continue
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ) if value is not None:
                (made if is_fresh(value) else other).add(name)
                todo.append(value)
                continue
            case ast.AugAssign(target=ast.Name()):
                todo.append(node.value)
                continue
            case ast.Name(id=name, ctx=ast.Store()):
                other.add(name)
        todo.extend(ast.iter_child_nodes(node))
    return frozenset(made - other)


def is_fresh(value: ast.expr) -> bool:
    words = ast.unparse(value)
    return is_container(value) or words.startswith("hashlib.") or words.endswith(".copy()")


def shown(found: tuple[Breach, ...]) -> str:
    return "\n".join(f"{b.where}: [{b.rule}] {b.what}" for b in found)


def test_pure_packages_are_pure() -> None:
    found = breaches(ROOT / "convsim_fp")
    assert not found, shown(found)


PLANTS = [
    ("class", "class Plain:\n    pass"),
    ("class", "from attrs import define\n@define\nclass Loose:\n    x: int"),
    ("class", "from attrs import frozen\n@frozen(frozen=False)\nclass Thawed:\n    x: int"),
    ("class", "from dataclasses import dataclass\n@dataclass\nclass Data:\n    x: int"),
    ("class", "def frozen(c):\n    return c\n@frozen\nclass Fake:\n    pass"),
    ("class", "def make():\n    class Inner:\n        pass\n    return Inner"),
    ("global", "COUNT = 0\ndef count():\n    global COUNT\n    COUNT += 1"),
    ("global", "def outer():\n    n = 0\n    def inner():\n        nonlocal n\n        n = 1"),
    ("container", "CACHE = {}"),
    ("container", "CACHE: dict[str, int] = dict()"),
    ("container", "SEEN = [] if True else ()"),
    ("container", "PAIR = (1, [2])"),
    ("container", "from attrs import frozen\n@frozen\nclass Shared:\n    items: list = []"),
    ("container", "import collections\nQUEUE = collections.deque()"),
    ("mutation", "def f(state):\n    state.turn = 1"),
    ("mutation", "def f(state):\n    state.turn += 1"),
    ("mutation", "def f(items):\n    items[0] = 1"),
    ("mutation", "def f(items):\n    items[0] += 1"),
    ("mutation", "def f(items):\n    del items[0]"),
    ("mutation", "def f(state):\n    del state.turn"),
    ("mutation", "def f(state):\n    state.turn, rest = 1, 2"),
    ("mutation", "def f(state):\n    for state.turn in (1, 2):\n        pass"),
    ("mutation", "def f(items):\n    items.append(1)"),
    ("mutation", "def f(state):\n    state.items.append(1)"),
    ("mutation", "def f(state):\n    items = state.items\n    items.append(1)"),
    ("mutation", "def f(items):\n    items = [] if items is None else items\n    items.append(1)"),
    ("mutation", "def f(digest):\n    digest.update(b'x')"),
    ("mutation", "def f():\n    seen = []\n    def g():\n        seen.append(1)\n    return g"),
    ("mutation", "def f(x):\n    object.__setattr__(x, 'turn', 1)"),
    ("mutation", "NAMES = ('a',)\nNAMES += ('b',)"),
    ("call", "def f():\n    return open('x')"),
    ("call", "def f():\n    print('x')"),
    ("call", "def f():\n    return input()"),
    ("call", "def f(x):\n    setattr(x, 'turn', 1)"),
    ("call", "def f():\n    return __import__('os')"),
    ("call", "def f(x):\n    return x.__dict__"),
    ("async", "async def f():\n    pass"),
    ("import", "import time"),
    ("import", "import os.path"),
    ("import", "def f():\n    from random import random\n    return random()"),
    ("import", "import cattrs"),
    ("import", "from . import errors"),
    ("import", "import litellm"),
]

HARMLESS = """
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
import attrs, hashlib
from attrs import field, frozen

__all__ = ["Kind"]
TABLE = MappingProxyType({"a": 1})
NAMES = frozenset({"a"})

class Kind(StrEnum):
    A = "a"

class Port(Protocol):
    def __call__(self, x: int) -> int: ...

class Broken(ValueError):
    def __init__(self, path: str) -> None:
        self.path = path

class Worse(Broken): ...

@attrs.frozen(eq=False)
class Value:
    items: dict[str, int] = field(factory=dict)

def f(items):
    seen: dict[str, int] = {}
    out = []
    total = 0
    for item in items:
        seen[item] = seen.get(item, 0)
        out.append(item)
        total += 1
    digest = hashlib.sha256()
    digest.update(b"x")
    longer = digest.copy()
    longer.update(b"y")
    return tuple(out), total
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    ignore = shutil.ignore_patterns("__pycache__")
    return Path(shutil.copytree(ROOT / "convsim_fp", tmp_path / "convsim_fp", ignore=ignore))


@pytest.mark.parametrize(("rule", "code"), PLANTS)
def test_a_planted_breach_is_caught(package: Path, rule: str, code: str) -> None:
    (package / "core" / "planted.py").write_text(code + "\n")
    found = [b for b in breaches(package) if b.where.startswith("core/planted.py")]
    assert rule in {b.rule for b in found}, shown(tuple(found))


@pytest.mark.parametrize("name", PURE)
def test_every_pure_package_is_read(package: Path, name: str) -> None:
    file = package / name if name.endswith(".py") else package / name / "planted.py"
    file.write_text("import time\n")
    assert "import" in {b.rule for b in breaches(package) if b.where.startswith(name)}


def test_what_is_harmless_is_left_alone(package: Path) -> None:
    (package / "core" / "planted.py").write_text(HARMLESS)
    found = [b for b in breaches(package) if b.where.startswith("core/planted.py")]
    assert not found, shown(tuple(found))


def test_cattrs_is_allowed_in_the_journal(package: Path) -> None:
    (package / "journal" / "planted.py").write_text("import cattrs\n")
    assert not [b for b in breaches(package) if b.where.startswith("journal/planted.py")]
