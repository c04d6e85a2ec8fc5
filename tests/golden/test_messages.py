"""Every message that a user can meet, said once and written down in `messages.md`, to be read.

`CONVSIM_WRITE_MESSAGES=1 pytest tests/golden/test_messages.py` writes it anew; read the difference
as whoever meets the message at the end of a long day before you keep it.
"""

import os
import runpy
import sys
from pathlib import Path

import pytest

for vendor in ("aiohttp", "click", "filelock", "hypothesis", "pandas", "rich", "tenacity", "yaml"):
    pytest.importorskip(vendor, reason="its messages are said, too: pip install convsim-fp[all]")

HERE = Path(__file__).parent
GOLDEN = HERE / "messages.md"
PLACES = runpy.run_path(str(HERE / "message_places.py"))
DESK = runpy.run_path(str(HERE / "message_desk.py"))
ELSEWHERE = runpy.run_path(str(HERE / "message_elsewhere.py"))["ELSEWHERE"]
ELSEWHERE_TOLD = "convsim_adapters/mlflow/"  # tests/integration/mlflow/test_messages.py
TRIGGERS = [runpy.run_path(str(path)) for path in sorted((HERE / "messages").glob("*.py"))]

HEAD = """\
# What convsim says when something is wrong

Every error and warning that a user can meet, provoked by `messages/*.py` and written down by
`test_messages.py`. Each says what was found, where, what was expected, and what to do.
"""


@pytest.fixture
def spoken(tmp_path, monkeypatch):
    """What all triggers say, and the places whose message was not among it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("CI", "MLFLOW_TRACKING_URI", "OPENAI_API_BASE", "OPENAI_API_KEY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    found = [one for one in PLACES["places"]() if not one.file.startswith(ELSEWHERE_TOLD)]
    reached = PLACES["Reached"](found)
    desk = DESK["Desk"](tmp_path / "desk")
    triggers = [one for module in TRIGGERS for one in module["TRIGGERS"].items()]
    with PLACES["traced"](reached):
        text = DESK["all_of"](desk, triggers)
    return HEAD + text, [one for one in found if one not in reached]


def test_every_message_is_as_it_was_read(spoken) -> None:
    text, left = spoken
    if os.environ.get("CONVSIM_WRITE_MESSAGES"):
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")
    silent = [one for one in left if not is_elsewhere(one)]
    assert not silent, "\n".join(map(str, silent))


def is_elsewhere(place) -> bool:
    return place.file in ELSEWHERE or f"{place.file}:{place.function}" in ELSEWHERE
