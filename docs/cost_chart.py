"""Draw docs/explanation/cost.svg: the tokens of docs/prompt_cost.py against the turn.

python docs/cost_chart.py
"""

import runpy
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from attrs import frozen

HERE = Path(__file__).parent
PICTURE = HERE / "explanation" / "cost.svg"
COUNTS = runpy.run_path(str(HERE / "prompt_cost.py"))
BOTH, ONE, TURNS = COUNTS["BOTH"], COUNTS["ONE"], COUNTS["TURNS"]
WIDTH, HEIGHT, TOP, PANEL_WIDTH, PANEL_HEIGHT = 960, 340, 50, 290, 240
KINDS = {
    "user": "user",
    "judge": "judge",
    "one call": "one",
    "two calls": "judge",
    "user, new": "user new",
    "judge, new": "judge new",
    "one call, new": "one new",
    "two calls, new": "judge new",
}
NUDGES = {
    (70, "user"): 16,
    (70, "judge"): -6,
    (70, "user, new"): 14,
    (70, "one call, new"): -10,
    (530, "two calls, new"): -4,
    (530, "one call, new"): 12,
}
STYLE = """\
svg.cost {
  --ink: var(--color-foreground-primary, #1b1f24);
  --quiet: var(--color-foreground-secondary, #57606a);
  --edge: var(--color-background-border, #d8dee4);
  --user: var(--color-brand-content, #2457d6); --judge: #b4530a; --one: #1a7f5a;
  font: 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  display: block; margin: 1rem auto; max-width: 100%; height: auto;
}
svg.cost:root { background: #fff; }
.cost text { fill: var(--quiet); }
.cost .title { fill: var(--ink); font-weight: 600; font-size: 15px; }
.cost .rule { stroke: var(--edge); stroke-width: 1; }
.cost polyline { fill: none; stroke-width: 2; }
.cost .user { stroke: var(--user); }
.cost .judge { stroke: var(--judge); }
.cost .one { stroke: var(--one); }
.cost .new { stroke-dasharray: 6 4; }"""
FRAME = """\
<svg class="cost" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
 width="{width}" role="img" aria-labelledby="cost-title cost-desc">
<title id="cost-title">Tokens against turns</title>
<desc id="cost-desc">What is sent in a turn grows in a straight line, what is sent up to a turn with
 its square; what is new in a turn stays the same. The numbers are in the table.</desc>
<style>
{style}
</style>
{lines}
</svg>
"""


@frozen
class Panel:
    """One diagram: its lines by name, and where it is in the picture."""

    title: str
    left: int
    lines: dict[str, list[float]]

    @property
    def top(self) -> float:
        """The upper end of the scale, a round number."""
        most = max(map(max, self.lines.values()))
        unit = 10 ** (len(str(int(most))) - 1)
        return -(-most // unit) * unit

    def x(self, turn: int) -> float:
        return self.left + (turn - 1) / (TURNS - 1) * PANEL_WIDTH

    def y(self, count: float) -> float:
        return TOP + (1 - count / self.top) * PANEL_HEIGHT

    def drawn(self) -> Iterator[str]:
        """The title, the scale, and the lines, each with its name at its end."""
        yield f'<text class="title" x="{self.left}" y="{TOP - 22}">{escape(self.title)}</text>'
        for quarter in range(5):
            yield from self.ruled(self.top * quarter / 4)
        for turn in (1, *range(5, TURNS + 1, 5)):
            at = f'x="{self.x(turn):.0f}" y="{TOP + PANEL_HEIGHT + 20}"'
            yield f'<text text-anchor="middle" {at}>{turn}</text>'
        for name, counts in self.lines.items():
            yield from self.line(name, counts)

    def ruled(self, count: float) -> Iterator[str]:
        y, right = f"{self.y(count):.0f}", self.left + PANEL_WIDTH
        yield f'<path class="rule" d="M{self.left} {y} H{right}"/>'
        at = f'x="{self.left - 8}" y="{float(y) + 4:.0f}"'
        yield f'<text text-anchor="end" {at}>{count:,.0f}</text>'

    def line(self, name: str, counts: list[float]) -> Iterator[str]:
        points = " ".join(
            f"{self.x(turn):.1f},{self.y(count):.1f}" for turn, count in enumerate(counts, 1)
        )
        yield f'<polyline class="{KINDS[name]}" points="{points}"/>'
        nudge = NUDGES.get((self.left, name), 4)
        at = f'x="{self.left + PANEL_WIDTH + 6}" y="{self.y(counts[-1]) + nudge:.0f}"'
        yield f"<text {at}>{escape(name)}</text>"


def svg() -> str:
    """The picture, as it has to be in the docs."""
    each = {
        **{role: COUNTS["mean"](role, "sent") for role in (*BOTH, *ONE)},
        **{f"{role}, new": COUNTS["mean"](role, "new") for role in (*BOTH, *ONE)},
    }
    sums = {
        "two calls": COUNTS["so_far"](BOTH, "sent"),
        "one call": COUNTS["so_far"](ONE, "sent"),
        "two calls, new": COUNTS["so_far"](BOTH, "new"),
        "one call, new": COUNTS["so_far"](ONE, "new"),
    }
    panels = (
        Panel("Tokens sent in a turn", 70, each),
        Panel("Tokens sent up to a turn", 530, sums),
    )
    lines = "\n".join(line for panel in panels for line in panel.drawn())
    return FRAME.format(style=STYLE, lines=lines, width=WIDTH, height=HEIGHT)


if __name__ == "__main__":
    PICTURE.write_text(svg(), "utf-8")
