"""What is said of agents: how they can be called, what they may reply, and where they are."""

from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import sleep

from convsim_adapters import as_agent, ports_per_session, simulate
from convsim_adapters.agent_http import agent_http
from convsim_adapters.reply_forms import read_reply
from convsim_adapters.running.agents import choose_agent
from convsim_fp import CallAgent, Message, TestCase
from convsim_fp.core import Lane, RequestId, Session

CASE = TestCase(goal="pay", id="refund", context={"order": "W7"})
REQUEST = CallAgent(RequestId(1, Lane.AGENT), Session("refund/1"), CASE, (Message("user", "Hi."),))


class Desk:
    """Cannot be called."""


class Needy:
    """Needs what nobody gives."""

    def __init__(self, database):
        self.database = database

    def __call__(self, messages):
        return "Hi."


def signatures(desk) -> None:
    for agent in (
        "Hi.",
        Desk,
        dict,
        lambda: "Hi.",
        lambda messages, input: "Hi.",
        lambda question, answer: "Hi.",
        lambda question, /, order: "Hi.",
        lambda order, /, messages: "Hi.",
        _parts,
        _coroutine(),
        partial(_parts),
    ):
        desk.by(as_agent, agent)
    desk.by(as_agent, type("Odd", (), {"__call__": 7})())
    desk.by(ports_per_session, Needy)
    desk.by(ports_per_session, "shop")
    desk.by(choose_agent, Desk, timeout=1)
    desk.by(choose_agent, Needy, timeout=1)
    desk.by(choose_agent, lambda messages: "Hi.", params={"model": "x"}, timeout=1)


def _parts(messages):
    yield "Hi."


async def _coroutine():
    return "Hi."


def contexts(desk) -> None:
    cases = [{"goal": "pay", "id": "refund", "context": {"order": "W7"}}]
    clash = [{"goal": "pay", "id": "refund", "context": {"question": "W7"}}]
    talk = {"user": "scripted", "goal_check": "never", "save": False}
    cases[0]["script"] = clash[0]["script"] = ["Hi."]
    desk.by(simulate, cases, lambda messages: "Hi.", **talk)
    desk.by(simulate, cases, lambda messages, order, customer: "Hi.", **talk)
    desk.by(simulate, clash, lambda question: "Hi.", **talk)
    desk.by(lambda: as_agent(lambda messages: 1 / 0)(REQUEST))
    ports = ports_per_session(lambda: {}["database"])
    desk.by(lambda: ports(Session("refund/1")).agent(REQUEST))


class Odd:
    """A reply whose attributes raise."""

    @property
    def choices(self):
        raise OSError("gone")


def replies(desk) -> None:
    for reply in (
        7,
        b"Hi.",
        {},
        {"text": "Hi."},
        {"role": "user", "content": "Hi."},
        {"role": "assistant"},
        {"role": "assistant", "content": 7},
        {"role": "assistant", "content": []},
        {"role": "assistant", "content": [{"type": "image"}]},
        {"role": "assistant", "content": [{"type": "text", "text": 7}]},
        {"role": "assistant", "content": [7]},
        {"role": "assistant", "content": "", "tool_calls": {"name": "x"}},
        {"role": "assistant", "content": "", "tool_calls": [{"name": 7}]},
        {"choices": []},
        {"choices": "Hi."},
        {"output": [], "error": {"message": "no credit"}},
        {"messages": [{"role": "user", "content": "Hi."}]},
        [],
        [7],
        [{"role": "boss", "content": "Hi."}],
        Odd(),
        str,
        _coroutine(),
        _parts([]),
    ):
        desk.by(read_reply, reply)


ANSWERS = {
    "/moved": (301, b""),
    "/key": (401, b'{"error": {"message": "Incorrect key"}}'),
    "/busy": (429, b"slow down"),
    "/credit": (429, b'{"error": {"message": "You exceeded your current quota"}}'),
    "/late": (408, b""),
    "/long": (400, b'{"error": {"message": "maximum context length is 8 tokens"}}'),
    "/odd": (418, b"<html>\n  <body>teapot</body></html>"),
    "/down": (503, b""),
    "/conflict": (409, b"again"),
    "/large": (413, b""),
    "/text": (200, b"Hi."),
    "/empty": (200, b""),
    "/form": (200, b'{"reply": "Hi."}'),
    "/choices": (200, b'{"choices": []}'),
    "/content": (200, b'{"choices": [{"message": {"content": 7}}]}'),
    "/filter": (
        200,
        b'{"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}',
    ),
    "/length": (200, b'{"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}'),
    "/blank": (200, b'{"choices": [{"message": {"content": ""}, "finish_reason": "stop"}]}'),
    "/error": (200, b'{"error": {"code": 429, "message": "slow down"}}'),
    "/slow": (0, b""),
    "/untaken": (400, b'{"error": {"message": "temperature is not supported"}}'),
}


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = ANSWERS[self.path.removesuffix("/chat/completions")]
        if not status:
            sleep(0.2)
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *told: object) -> None:
        """Say nothing."""


@contextmanager
def serving():
    """An endpoint on loopback that answers by its path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def addresses(desk) -> None:
    desk.by(choose_agent, "http://", timeout=1)
    desk.by(choose_agent, "https://me:secret@/v1?key=secret", timeout=1)
    odd = {"messages": [], "at": {1}}
    desk.by(choose_agent, "http://127.0.0.1:9/v1", params=odd, timeout=1)
    desk.by(_called, "http://127.0.0.1:9/v1", headers={"X-Key": "a\nb", "X-Number": 7})


def endpoints(desk) -> None:
    with serving() as address:
        for path in ANSWERS:
            desk.by(_called, address + path)
    desk.by(_called, address)


async def _called(url, **how):
    async with agent_http(url, timeout=0.1 if url.endswith("/slow") else 5, **how) as agent:
        await agent(REQUEST)


TRIGGERS = {
    "Agents that cannot be called": signatures,
    "Agents, and the context of a case": contexts,
    "Replies that cannot be read": replies,
    "Addresses of agents": addresses,
    "What an agent's endpoint answers": endpoints,
}
