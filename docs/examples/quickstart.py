"""Five customers talk to a small order-support agent; one of them finds its flaw. Runs offline."""

import re

from convsim_adapters import ports_per_session
from convsim_fp import Rules, converse_all, goals, read_cases, users

ORDERS = {"W7": "the red shoes, delivered on Monday", "W8": "the green coat, on its way"}


class ShopAgent:
    """The agent under test: it remembers which order the talk is about, and what it offered."""

    def __init__(self):
        self.order = None
        self.offered = False

    def __call__(self, messages):
        text = messages[-1]["content"].lower()
        number = re.search(r"w\d+", text)
        if number and self.order is None:
            self.order = number[0].upper()
        if "how long" in text:
            return "You can return anything within 30 days."
        if self.order is None:
            return "Which order is it? The number begins with a W."
        if self.offered and "yes" in text:
            return f"Done: order {self.order} is refunded."
        if "money" in text or "refund" in text or self.offered:
            self.offered = True
            return f"Shall I refund order {self.order}?"
        return f"Order {self.order}: {ORDERS[self.order]}."


CASES = read_cases(
    [
        {
            "id": "track",
            "goal": "find out where the coat is",
            "extra": {"script": ["Where is my coat?", "W8"], "done": "on its way"},
        },
        {
            "id": "policy",
            "goal": "learn how long a return may take",
            "extra": {"script": ["How long do I have to return shoes?"], "done": "30 days"},
        },
        {
            "id": "refund",
            "goal": "get the money back for the shoes",
            "extra": {
                "script": [
                    "I want my money back.",
                    "It is W7.",
                    "Yes, a refund for those.",
                    "Yes.",
                ],
                "done": "W7 is refunded",
            },
        },
        {
            "id": "corrected",
            "goal": "get the money back for the coat, order W8",
            "extra": {
                "script": ["A refund for W7, please.", "No, sorry, I mean W8.", "Yes, please."],
                "done": "W8 is refunded",
            },
        },
        {
            "id": "impatient",
            "goal": "find out where the coat is",
            "persona": "short of time; types fast and in lower case",
            "extra": {"knows": "the order is W8", "done": "on its way"},
        },
    ]
)


def pretend_model(request):
    """Stands in for a model: a real one is sent `request.messages` and returns its text."""
    return ["still no coat. whats going on", "w8"][request.id.turn - 1]


def rules(case):
    """A customer with a script reads it; the others are played by the model."""
    user = users.scripted() if "script" in case.extra else users.prompted()
    return Rules(user, goals.when(case.extra["done"]), max_turns=5)


def main():
    ends = converse_all(CASES, rules, ports_per_session(ShopAgent, user_model=pretend_model))
    ends = sorted(ends, key=lambda end: end.stop_reason == "goal_achieved")

    print(f"{'case':<11}{'stop reason':<15}{'turns':<7}why")
    for end in ends:
        print(f"{end.case.id:<11}{end.stop_reason:<15}{end.turns:<7}{end.why}")

    print(f"\nThe conversation of {ends[0].case.id!r}:")
    for message in ends[0].transcript:
        print(f"{message.speaker:>8}: {message.text}")


if __name__ == "__main__":
    main()
