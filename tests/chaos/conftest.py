"""What these tests share, by names of their own, as the tests are no packages."""

import importlib.util
import sys
from pathlib import Path


def _load(name: str) -> None:
    place = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"chaos_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if sys.modules.setdefault(spec.name, module) is module:
        spec.loader.exec_module(module)


for _name in ("counting", "killing"):
    _load(_name)
