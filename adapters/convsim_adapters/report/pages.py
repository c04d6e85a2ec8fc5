"""The page: one HTML file that needs nothing beside it, and lets nothing in it act.

What models, agents and cases have written is text in three places: where the template writes it, it
is escaped; where it stands as data, no ``<`` is left in it; and the page's script makes text nodes
of it. A content security policy allows nothing but the page's own style and script, by their
digests.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convsim_adapters.report.overview import overview_of
from convsim_adapters.report.reading import Recording
from convsim_adapters.report.requests import Record, Texts
from convsim_adapters.report.sessions import row_record, session_record
from convsim_adapters.report.sides import Pairing, changes_of, pairs_of
from convsim_adapters.vendors import import_vendor
from convsim_fp.core.chat import sendable

__all__ = ["inert", "page_of", "policy_of"]

TEMPLATES = Path(__file__).with_name("templates")
LONE = re.compile("[\ud800-\udfff]")
BLOCK = 50  # sessions that the page reads at once, when one of them is opened
ACTING = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def page_of(recordings: Sequence[Recording]) -> str:
    """Write the page of one run, or of two side by side. Raises `InvalidSpec` without Jinja2."""
    pairs = pairs_of(recordings)
    style, script = _own("report.css"), _own("report.js")
    page = _environment().get_template("report.html.j2")
    made: str = page.render(
        runs=[overview_of(one) for one in recordings],
        pairs=pairs,
        changes=changes_of(pairs),
        data=list(_data(recordings, pairs)),
        style=style,
        script=script,
        policy=policy_of(style, script),
        release=version("convsim-fp"),
    )
    return made


def policy_of(style: str, script: str) -> str:
    """The content security policy under which only these two may act."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def inert(value: object) -> str:
    r"""JSON that can stand in a page: nothing in it begins or ends an element.

    >>> inert("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(ACTING)


def _data(recordings: Sequence[Recording], pairs: Sequence[Pairing]) -> Iterator[tuple[str, str]]:
    """The page's data by the names of their elements; only the first is read at the start."""
    runs = [
        {
            "name": one.name,
            "rows": [row_record(*both) for both in zip(one.logs, one.results, strict=True)],
        }
        for one in recordings
    ]
    index = {"block": BLOCK, "runs": runs, "pairs": [_pair(one) for one in pairs]}
    yield "index", inert(index)
    for at, one in enumerate(recordings):
        for block, begin in enumerate(range(0, len(one.logs), BLOCK)):
            yield f"run-{at}-{block}", inert(_block(one, begin))


def _pair(pair: Pairing) -> Record:
    record: Record = {"at": pair.places}
    record |= {name: True for name in ("changed", "alone") if getattr(pair, name)}
    if pair.parting is not None:
        record["parts"] = {"turn": pair.parting.turn, "message": pair.parting.message}
    return record


def _block(recording: Recording, begin: int) -> Record:
    texts = Texts()
    some = slice(begin, begin + BLOCK)
    sessions = [
        session_record(log, result, texts)
        for log, result in zip(recording.logs[some], recording.results[some], strict=True)
    ]
    return {"sessions": sessions, "texts": texts.listed}


def _own(name: str) -> str:
    """A part of the page that is ours; its line ends are those that its digest is made of."""
    return (TEMPLATES / name).read_text("utf-8").replace("\r\n", "\n")


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Any:
    jinja2 = import_vendor("jinja2", extra="cli")
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_written,
    )
    made.filters |= {"address": _address, "moment": _moment, "named": _named}
    return made


def _written(value: object) -> object:
    """What a page can hold: controls and lone surrogates are shown as U+FFFD."""
    return sendable(value) if type(value) is str else value


def _named(reason: str) -> str:
    return reason.replace("_", " ")


def _address(session: str) -> str:
    """Where a session stands in the page, as the page's script writes it, too."""
    return "#" + quote(LONE.sub("\ufffd", session), safe="!'()*")


def _moment(stamp: str) -> str:
    """A time for a reader, as far as it is one.

    >>> _moment("2026-11-25T15:04:32+00:00")
    '25 November 2026, 15:04 UTC'
    """
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    month = MONTHS[when.month - 1]
    return f"{when.day} {month} {when.year}, {when:%H:%M} {when.tzname() or ''}".strip()


# By name, since those that Python knows depend on the locale.
MONTHS = (
    "January February March April May June July August September October November December".split()
)
