"""Draw docs/explanation/phases.svg: the phases of a conversation and what leads to each.

The arrows are read off the machine: the transitions' type hints, what `start` begins with, and what
an `Interrupted` leads to. Where they lie and what is written beside them is decided here, so a
transition that is new, or gone, stops this script until the drawing is changed.

    python docs/phase_diagram.py
"""

from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints
from xml.sax.saxutils import escape

from convsim_fp import goals, users
from convsim_fp.core import (
    Interrupted,
    Message,
    Phase,
    Rules,
    State,
    TestCase,
    machine,
    start,
    step,
)
from convsim_fp.core.requests import Session

PICTURE = Path(__file__).parent / "explanation" / "phases.svg"
TRANSITIONS = (machine.after_move, machine.after_reply, machine.after_verdict)
RULES = Rules(users.prompted(), goals.prompted())
BEGINNINGS = (
    TestCase(goal="return the shoes"),
    TestCase(goal="return the shoes", agent_opens=True),
    TestCase(goal="return the shoes", history=(Message("user", "I have these shoes."),)),
)
BEGIN, ANY = "start", "any phase"
Arrow = tuple[str, str]


def transitions() -> frozenset[Arrow]:
    """The arrows that an answer can take a conversation along."""
    found: set[Arrow] = set()
    for transition in TRANSITIONS:
        hints = get_type_hints(transition)
        found |= {(hints["phase"].__name__, to.__name__) for to in get_args(hints["return"])}
    return frozenset(found)


def beginnings() -> frozenset[Arrow]:
    """The phases that a conversation can begin in."""
    phases = {type(start(RULES, case).state.phase) for case in BEGINNINGS}
    return frozenset((BEGIN, phase.__name__) for phase in phases)


def interruptions() -> frozenset[Arrow]:
    """Where an `Interrupted` leads from every phase: one arrow, if it is the same for all."""
    states = [State(BEGINNINGS[0], Session(), phase(1)) for phase in get_args(Phase)[:-1]]
    ends = {type(step(RULES, state, Interrupted("deadline")).state.phase) for state in states}
    return frozenset((ANY, end.__name__) for end in ends)


def arrows() -> frozenset[Arrow]:
    return transitions() | beginnings() | interruptions()


class Node(NamedTuple):
    x: int
    y: int
    waits_for: str


class Line(NamedTuple):
    path: str
    x: int
    y: int
    anchor: str
    words: tuple[str, ...]


WIDTH, HEIGHT = 840, 540
NODE_WIDTH, NODE_HEIGHT = 220, 60
NODES = {
    "Speaking": Node(160, 140, "waits for the user's move"),
    "Replying": Node(680, 140, "waits for the agent's reply"),
    "Checking": Node(420, 290, "waits for the verdict"),
    "Stopped": Node(420, 490, "waits for nothing"),
}
LINES = {
    (BEGIN, "Speaking"): Line("M160 26 V108", 176, 32, "start", ("start",)),
    (BEGIN, "Replying"): Line(
        "M680 26 V108",
        664,
        32,
        "end",
        ("start: the agent opens, or the user's", "message is there"),
    ),
    ("Speaking", "Replying"): Line("M270 126 H568", 419, 115, "middle", ("says something",)),
    ("Replying", "Speaking"): Line("M570 156 H272", 419, 176, "middle", ("has opened (turn 0)",)),
    ("Replying", "Checking"): Line("M660 170 Q640 285 532 290", 612, 242, "end", ("replies",)),
    ("Checking", "Speaking"): Line(
        "M310 290 Q200 285 181 172", 229, 242, "start", ("not yet: next turn",)
    ),
    ("Speaking", "Stopped"): Line(
        "M84 170 V400 Q84 490 308 490",
        96,
        386,
        "start",
        ("is satisfied", "leaves without words", "fails"),
    ),
    ("Replying", "Stopped"): Line(
        "M756 170 V400 Q756 490 532 490",
        744,
        386,
        "end",
        ("fails", "says nothing", "ends at its opening"),
    ),
    ("Checking", "Stopped"): Line(
        "M390 320 V458", 378, 386, "end", ("goal achieved", "check failed", "last turn")
    ),
    (ANY, "Stopped"): Line("M450 346 V458", 462, 386, "start", ("Interrupted:", "from any phase")),
}
LINE_HEIGHT = 19
STYLE = """\
svg.phases {
  --ink: var(--color-foreground-primary, #1b1f24);
  --quiet: var(--color-foreground-secondary, #57606a);
  --edge: var(--color-foreground-muted, #6e7781);
  --fill: var(--color-background-secondary, #f3f5f8);
  --accent: var(--color-brand-content, #2457d6);
  color: var(--ink); font: 15px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  display: block; margin: 1rem auto; max-width: 100%; height: auto;
}
svg.phases:root { background: #fff; }
@media (prefers-color-scheme: dark) {
  svg.phases:root {
    background: #0d1117;
    --ink: #e6edf3; --quiet: #a9b4c0; --edge: #8b949e; --fill: #1c232c; --accent: #82a8ff;
  }
}
.phases text { fill: var(--quiet); stroke: none; }
.phases .name { fill: var(--ink); font-weight: 600; font-size: 18px; }
.phases rect { fill: var(--fill); stroke: var(--accent); stroke-width: 1.5; }
.phases .last rect { stroke: var(--edge); stroke-width: 3; }
.phases .living { fill: none; stroke: var(--edge); stroke-width: 1; stroke-dasharray: 5 5; }
.phases .arrow { fill: none; stroke: var(--edge); stroke-width: 1.6; }
.phases .arrow { marker-end: url(#phases-head); }
.phases .any { stroke-dasharray: 5 5; }
.phases .dot, .phases .head { fill: var(--edge); }"""
FRAME = """\
<svg class="phases" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 width="{width}" role="img" aria-labelledby="phases-title phases-desc">
<title id="phases-title">The phases of a conversation</title>
<desc id="phases-desc">{words}</desc>
<style>
{style}
</style>
<defs><marker id="phases-head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="8"
 markerHeight="8" orient="auto"><path class="head" d="M0 0 L10 5 L0 10 z"/></marker></defs>
<rect class="living" x="20" y="80" width="800" height="266" rx="14"/>
{lines}
{nodes}
</svg>
"""


def svg() -> str:
    """The picture, as it has to be in the docs."""
    if unlike := arrows() ^ LINES.keys():
        what = ", ".join(f"{a} to {b}" for a, b in sorted(unlike))
        raise SystemExit(f"draw what the machine does: {what} is only in one of the two")
    return FRAME.format(
        width=WIDTH,
        height=HEIGHT,
        words=escape(in_words()),
        style=STYLE,
        lines="\n".join(line(arrow, drawn) for arrow, drawn in LINES.items()),
        nodes="\n".join(node(name, drawn) for name, drawn in NODES.items()),
    )


def in_words() -> str:
    return " ".join(f"{a} to {b}: {', '.join(line.words)}." for (a, b), line in LINES.items())


def line(arrow: Arrow, drawn: Line) -> str:
    words = "".join(
        f'<tspan x="{drawn.x}" y="{drawn.y + LINE_HEIGHT * i}">{escape(word)}</tspan>'
        for i, word in enumerate(drawn.words)
    )
    kind = "arrow any" if arrow[0] == ANY else "arrow"
    dot = '<circle class="dot" cx="{}" cy="{}" r="5"/>'.format(*begins(drawn.path))
    return (
        f'<g>{dot if arrow[0] == BEGIN else ""}<path class="{kind}" d="{drawn.path}"/>'
        f'<text text-anchor="{drawn.anchor}">{words}</text></g>'
    )


def begins(path: str) -> tuple[str, str]:
    x, y, *_ = path.removeprefix("M").split()
    return x, y


def node(name: str, drawn: Node) -> str:
    left, top = drawn.x - NODE_WIDTH // 2, drawn.y - NODE_HEIGHT // 2
    return (
        f'<g class="{"last" if name == "Stopped" else "phase"}">'
        f'<rect x="{left}" y="{top}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}" rx="10"/>'
        f'<text class="name" text-anchor="middle" x="{drawn.x}" y="{drawn.y - 4}">{name}</text>'
        f'<text text-anchor="middle" x="{drawn.x}" y="{drawn.y + 18}">{drawn.waits_for}</text></g>'
    )


if __name__ == "__main__":
    PICTURE.write_text(svg(), "utf-8")
