"""Writing a file and reading what is wrong with it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convsim_adapters.case_files import load_cases
from convsim_fp.errors import InvalidSpec


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def write(name: str, content: str | bytes) -> Path:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


@pytest.fixture
def refused(write: Callable[[str, str | bytes], Path]) -> Callable[..., list[str]]:
    """The problems of a file, each as a line without the folder."""

    def refused(name: str, content: str | bytes, **how) -> list[str]:
        file = write(name, content)
        with pytest.raises(InvalidSpec) as caught:
            load_cases(file, **how)
        return [str(problem).replace(f"{file.parent}/", "") for problem in caught.value.problems]

    return refused
