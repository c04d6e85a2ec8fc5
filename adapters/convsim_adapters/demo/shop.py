"""The order desk of a small shop: an agent with a memory, to try things out on and to copy from.

It knows its orders from an SQLite file and changes nothing before the customer has said yes. Each
conversation works on its own copy of the orders, so that none can spoil another.
"""

from __future__ import annotations

import atexit
import os
import re
import sqlite3
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

__all__ = ["OrderDesk"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    session TEXT, number TEXT, item TEXT, price REAL, status TEXT, address TEXT,
    PRIMARY KEY (session, number));
CREATE TABLE IF NOT EXISTS topics (session TEXT PRIMARY KEY, number TEXT, intent TEXT);
CREATE TABLE IF NOT EXISTS pending (
    session TEXT PRIMARY KEY, action TEXT, number TEXT, detail TEXT);
"""
ORDERS = (
    ("W7", "red shoes", 59.90, "delivered", "2 Hill Road"),
    ("W8", "green coat", 129.00, "on its way", "2 Hill Road"),
    ("W9", "blue kettle", 34.50, "in preparation", "2 Hill Road"),
    ("W10", "white lamp", 45.00, "in preparation", "2 Hill Road"),
)
INTENTS = (  # the first that fits
    ("person", re.compile(r"\bhuman\b|colleague|a person", re.IGNORECASE)),
    ("policy", re.compile(r"how long|policy|how many days", re.IGNORECASE)),
    ("cancel", re.compile(r"\bcancel", re.IGNORECASE)),
    ("address", re.compile(r"\baddress\b|\bsend it to\b", re.IGNORECASE)),
    ("refund", re.compile(r"\brefund|money back|\breturn", re.IGNORECASE)),
    ("track", re.compile(r"\bwhere\b|\btrack|\barrive", re.IGNORECASE)),
)
YES = re.compile(r"\W*(?:yes|yep|sure|okay|please do|go ahead)\b", re.IGNORECASE)
NO = re.compile(r"\W*(?:no|nope|stop|leave it)\b", re.IGNORECASE)
NUMBER = re.compile(r"(?<!not )\bw\d+\b", re.IGNORECASE)
ADDRESS = re.compile(r"\bto (\d+ \w[\w ]*)", re.IGNORECASE)

MAKING = Lock()


class OrderDesk:
    """The agent; made once for each conversation, which `session_id` names."""

    def __init__(self, session_id: str) -> None:
        self.session = session_id
        with _database() as db:
            for table in ("orders", "topics", "pending"):
                db.execute(f"DELETE FROM {table} WHERE session = ?", [session_id])
            rows = [(session_id, *order) for order in ORDERS]
            db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows)
            db.execute("INSERT INTO topics VALUES (?, NULL, NULL)", [session_id])

    def __call__(self, messages: list[dict[str, str]]) -> str | dict[str, Any]:
        """Answer the customer's last message."""
        text = messages[-1]["content"]
        with _database() as db:
            waiting = self._one(db, "SELECT action, number, detail FROM pending WHERE session = ?")
            named = {number.upper() for number in NUMBER.findall(text)}
            if waiting and YES.match(text) and named <= {waiting[1]}:
                self._settle(db)
                return self._carry_out(db, *waiting)
            number, intent = self._understand(db, text)
            if waiting and not (named and intent == waiting[0]):
                self._settle(db)
                if NO.match(text):
                    return "All right, nothing is changed. Is there anything else?"
            return self._help(db, number, intent, text)

    def _understand(self, db: sqlite3.Connection, text: str) -> tuple[str | None, str | None]:
        """What the talk is about: the newest order number and wish, else those from before."""
        numbers = NUMBER.findall(text)
        intent = next((name for name, words in INTENTS if words.search(text)), None)
        db.execute(
            "UPDATE topics SET number = coalesce(?, number), intent = coalesce(?, intent)"
            " WHERE session = ?",
            [numbers[-1].upper() if numbers else None, intent, self.session],
        )
        topic = self._one(db, "SELECT number, intent FROM topics WHERE session = ?")
        return topic[0], topic[1]

    def _help(
        self, db: sqlite3.Connection, number: str | None, intent: str | None, text: str
    ) -> str:
        if intent == "policy":
            return "You can return anything within 30 days, and the money is back in five."
        if intent == "person":
            return "A colleague will call you back within the hour."
        if intent is None:
            return "I can track, refund or cancel an order, or change its address. Which is it?"
        if number is None:
            return "Which order is it? Its number begins with a W."
        order = self._one(
            db, "SELECT item, price, status FROM orders WHERE session = ? AND number = ?", number
        )
        if order is None:
            return f"I cannot find an order {number}. Would you check the number?"
        item, price, status = order
        if intent == "track" or status in ("refunded", "cancelled"):
            return f"Order {number}, the {item}, is {status}."
        if intent == "refund":
            return self._propose(db, "refund", number, f"refund order {number} ({price:.2f} EUR)")
        if status != "in preparation":
            return f"Order {number} is {status}, so I cannot change it any more."
        if intent == "cancel":
            return self._propose(db, "cancel", number, f"cancel order {number}, the {item}")
        address = ADDRESS.search(text)
        if address is None:
            return f"To which address shall order {number} go?"
        return self._propose(db, "address", number, f"send order {number} to {address[1]}")

    def _propose(self, db: sqlite3.Connection, action: str, number: str, detail: str) -> str:
        """Remember what a yes would mean, and ask for it."""
        db.execute(
            "INSERT INTO pending VALUES (?, ?, ?, ?)"
            # One proposal at a time: two messages at once must not become two refunds.
            " ON CONFLICT (session) DO NOTHING",
            [self.session, action, number, detail],
        )
        return f"Shall I {detail}?"

    def _settle(self, db: sqlite3.Connection) -> None:
        """Forget the proposal: it was taken or turned down, or the talk has moved on."""
        db.execute("DELETE FROM pending WHERE session = ?", [self.session])

    def _carry_out(
        self, db: sqlite3.Connection, action: str, number: str, detail: str
    ) -> dict[str, Any]:
        """Do what was agreed on. Returns the words, and the tool that was called for it."""
        status, address = {"refund": "refunded", "cancel": "cancelled"}.get(action), None
        if status is None:
            address = detail.partition(" to ")[2]
        db.execute(
            "UPDATE orders SET status = coalesce(?, status), address = coalesce(?, address)"
            " WHERE session = ? AND number = ?",
            [status, address, self.session, number],
        )
        db.execute("UPDATE topics SET intent = NULL WHERE session = ?", [self.session])
        done = f"goes to {address}" if address else f"is {status}"
        call = {"name": f"{action}_order", "arguments": {"number": number}}
        return {
            "role": "assistant",
            "content": f"Done: order {number} {done}. Is there anything else?",
            "tool_calls": [{"type": "function", "function": call}],
        }

    def _one(self, db: sqlite3.Connection, query: str, *more: str) -> Any:
        return db.execute(query, [self.session, *more]).fetchone()


@contextmanager
def _database() -> Generator[sqlite3.Connection]:
    """The shop's database, for one message: what is written is kept together, or not at all."""
    with MAKING:  # conversations run in threads; one of them makes the file
        file = _file()
    db = sqlite3.connect(file, timeout=30)
    try:
        with db:
            yield db
    finally:
        db.close()


@cache
def _file() -> str:
    """Where the database is: in SHOP_DB, else in a file that goes with the process."""
    file = os.environ.get("SHOP_DB")
    if file is None:
        home = tempfile.TemporaryDirectory(prefix="shop-")
        atexit.register(home.cleanup)
        file = str(Path(home.name) / "shop.db")
    db = sqlite3.connect(file, timeout=30)
    db.executescript(SCHEMA)
    db.close()
    return file
