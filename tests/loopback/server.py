"""A real HTTP server on loopback that speaks the chat-completions protocol, and fails on demand.

Model and agent adapters are tested against it, and the benchmarks measure against it:

    python tests/loopback/server.py --latency 0.05      prints its URL, serves until it is killed
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from attrs import Factory, define, frozen

__all__ = ["FAULTS", "TRANSIENT", "Loopback", "Seen", "serving"]

PATH = "/v1/chat/completions"
HANG = 3600.0  # seconds
USAGE = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
HUGE = 10 * 1024 * 1024


@frozen
class Seen:
    """One request as it came in."""

    body: dict[str, Any]
    headers: dict[str, str]
    connection: object = None  # whence; the same where it was kept open


Talk = Callable[[dict[str, Any]], str]


@define
class Loopback:
    """What the server has seen, and how it answers.

    `faults` are the next answers, first to last; None among them is a good one. After them, `share`
    of the requests fail by one of `kinds`: which ones is decided by the digest of the body and by
    how often it has come, so that a run repeats.
    """

    url: str = ""
    latency: float = 0.0
    talk: Talk = Factory(lambda: talk)
    faults: list[str | None] = Factory(list)
    share: float = 0.0
    kinds: tuple[str, ...] = ()
    keep: bool = True
    count: int = 0
    failed: Counter[str] = Factory(Counter)
    seen: list[Seen] = Factory(list)
    again: Counter[bytes] = Factory(Counter)

    @property
    def base(self) -> str:
        """What clients take as their base address."""
        return self.url.removesuffix("/chat/completions")

    def fault(self, raw: bytes) -> str | None:
        if self.faults:
            return self.faults.pop(0)
        if not self.share:
            return None
        digest = hashlib.sha256(raw).digest()
        self.again[digest] += 1
        drawn = hashlib.sha256(digest + bytes([self.again[digest] % 256])).digest()
        if int.from_bytes(drawn[:4], "big") / 2**32 >= self.share:
            return None
        return self.kinds[drawn[4] % len(self.kinds)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.count += 1
        body = json.loads(raw)
        if self.keep:
            whence = request.transport and request.transport.get_extra_info("peername")
            self.seen.append(Seen(body, dict(request.headers), whence))
        fault = self.fault(raw)
        if self.latency:
            await asyncio.sleep(self.latency)
        if fault is None:
            return _json(completion(self.talk(body), str(body.get("model"))))
        self.failed[fault] += 1
        return await FAULTS[fault](request, body)


def talk(body: dict[str, Any]) -> str:
    """Something sensible for each of our prompts: a verdict, a user's move, a message."""
    messages = body["messages"]
    question = str(messages[-1]["content"])
    drawn = hashlib.sha256(json.dumps(messages).encode()).digest()[0]
    if "You are the judge." in question:
        result = "yes" if drawn < 40 else "no"
        return json.dumps({"rationale": "The record shows it.", "result": result})
    words = f"It is about my order, number {drawn}."
    if '"status"' in question:
        return json.dumps({"reason": "", "status": "continue", "message": words})
    return words


def never(body: dict[str, Any]) -> str:
    """`talk`, with a judge who always says no: every conversation goes on to its limit."""
    return talk(body).replace('"result": "yes"', '"result": "no"')


def completion(text: object, model: str, **changed: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    made = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
    return {**made, "choices": [choice], "usage": USAGE, **changed}


Fault = Callable[[web.Request, dict[str, Any]], Any]


def _json(value: object) -> web.Response:
    return web.Response(body=json.dumps(value).encode(), content_type="application/json")


def _error(status: int, message: str, code: str | None = None, **headers: str) -> Fault:
    async def answered(request: web.Request, body: dict[str, Any]) -> web.Response:
        error = {"message": message, "type": "error", "param": None, "code": code}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response({"error": error}, status=status, headers=named)

    return answered


async def _late_date(request: web.Request, body: dict[str, Any]) -> web.Response:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    return await _error(429, "slow down", Retry_After=soon)(request, body)


async def _hang(request: web.Request, body: dict[str, Any]) -> web.Response:
    await asyncio.sleep(HANG)
    return web.Response()


async def _reset(request: web.Request, body: dict[str, Any]) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut_json(request: web.Request, body: dict[str, Any]) -> web.Response:
    whole = json.dumps(completion("cut", "m")).encode()
    return web.Response(body=whole[:-30], content_type="application/json")


async def _cut_body(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Promises more than it sends, then breaks the connection."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = 1000
    await response.prepare(request)
    await response.write(b'{"choices": [')
    if request.transport is not None:
        request.transport.abort()
    return response


async def _html(request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.Response(text="<html><body>Welcome to nginx</body></html>", content_type="text/html")


async def _empty(request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.Response(body=b"", content_type="application/json")


async def _redirect(request: web.Request, body: dict[str, Any]) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})


def _made(text: object, **changed: Any) -> Fault:
    async def answered(request: web.Request, body: dict[str, Any]) -> web.Response:
        return _json(completion(text, str(body.get("model")), **changed))

    return answered


async def _list(request: web.Request, body: dict[str, Any]) -> web.Response:
    return _json([1])


async def _endless(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b" " * HUGE)
    return response


async def _no_usage(request: web.Request, body: dict[str, Any]) -> web.Response:
    whole = completion("Hello there.", str(body.get("model")))
    del whole["usage"]
    return _json(whole)


async def _filtered(request: web.Request, body: dict[str, Any]) -> web.Response:
    whole = completion("", str(body.get("model")))
    whole["choices"][0]["finish_reason"] = "content_filter"
    return _json(whole)


async def _no_temperature(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Rejects the temperature as reasoning models do; without one all is well."""
    if "temperature" not in body:
        return await _made("Hello there.")(request, body)
    said = "Unsupported value: 'temperature' does not support 0.2 with this model."
    return await _error(400, said, "unsupported_value")(request, body)


async def _no_max_tokens(request: web.Request, body: dict[str, Any]) -> web.Response:
    if "max_tokens" not in body:
        return await _made("Hello there.")(request, body)
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. "
    said += "Use 'max_completion_tokens' instead."
    return await _error(400, said, "unsupported_parameter")(request, body)


def _no_format(words: str, status: int = 400) -> Fault:
    async def answered(request: web.Request, body: dict[str, Any]) -> web.Response:
        if "response_format" not in body:
            return await _made("Hello there.")(request, body)
        return await _error(status, words)(request, body)

    return answered


async def _in_pieces(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """An error that comes in two pieces, as one through a gateway may."""
    said = json.dumps({"error": {"message": "You exceeded your current quota."}}).encode()
    response = web.StreamResponse(status=429, headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for piece in (said[:20], said[20:]):
        await response.write(piece)
        await asyncio.sleep(0.05)
    return response


async def _created(request: web.Request, body: dict[str, Any]) -> web.Response:
    made = completion("Hello there.", str(body.get("model")))
    return web.json_response(made, status=201)


async def _echo(request: web.Request, body: dict[str, Any]) -> web.Response:
    """Gives away what it was sent, as careless gateways do."""
    told = " ".join(f"{name}={value}" for name, value in request.headers.items())
    return await _error(401, told)(request, body)


TOO_LONG = "This model's maximum context length is 8192 tokens, you asked for 9000 tokens."

# As gateways put the errors of those behind them.
INSIDE = {"error": {"message": "slow down", "code": 429}, "choices": []}

FAULTS: dict[str, Fault] = {
    "200 error": _made("", **INSIDE),
    "200 error text": _made("", error={"message": "slow down", "code": "429"}, choices=[]),
    "400": _error(400, "no such parameter"),
    "400 context": _error(400, TOO_LONG, "context_length_exceeded"),
    "400 format": _no_format("response_format is not supported by this model"),
    "400 format now": _no_format("This response_format type is unavailable now"),
    "400 format other": _no_format("'response_format' must be 'text' or 'json_object'"),
    "400 format spelled": _no_format("This model does not support response format `json_schema`."),
    "400 schema": _no_format("json_schema is not supported here"),
    "422 format": _no_format("response_format: unexpected value", 422),
    "400 max_tokens": _no_max_tokens,
    "400 temperature": _no_temperature,
    "400 value": _error(400, "temperature must be <= 2, got 5"),
    "401": _error(401, "Incorrect API key provided."),
    "403": _error(403, "not your model"),
    "404": _error(404, "The model does not exist.", "model_not_found"),
    "408": _error(408, "too slow"),
    "409": _error(409, "conflict"),
    "413": _error(413, "too large"),
    "425": _error(425, "too early"),
    "429": _error(429, "slow down"),
    "429 after": _error(429, "slow down", Retry_After="1"),
    "429 soon": _error(429, "slow down", Retry_After="0.2"),
    "429 date": _late_date,
    "429 later": _error(429, "slow down", Retry_After="3600"),
    "429 pieces": _in_pieces,
    "429 quota": _error(429, "You exceeded your current quota.", "insufficient_quota"),
    "500": _error(500, "broken"),
    "500 huge": _error(500, "x" * HUGE),
    "503": _error(503, "down"),
    "529": _error(529, "overloaded"),
    "choices []": _made("", choices=[]),
    "choices text": _made("", choices=["Hello."]),
    "content filter": _filtered,
    "content number": _made(7),
    "content parts": _made([{"type": "text", "text": "Hello."}]),
    "created": _created,
    "cut body": _cut_body,
    "cut json": _cut_json,
    "echo": _echo,
    "empty": _empty,
    "endless": _endless,
    "hang": _hang,
    "html": _html,
    "huge": _made("x" * HUGE),
    "json list": _list,
    "no usage": _no_usage,
    "null content": _made(None),
    "redirect": _redirect,
    "reset": _reset,
}
# Those of the list that may pass by themselves; each is worth another attempt.
TRANSIENT = ("429", "429 after", "500", "529", "hang", "reset", "cut json", "html")


async def _serve(loopback: Loopback, port: int) -> web.AppRunner:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post(PATH, loopback.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    host, bound = runner.addresses[0][:2]
    loopback.url = f"http://{host}:{bound}{PATH}"
    return runner


@contextmanager
def serving(loopback: Loopback | None = None, *, port: int = 0) -> Iterator[Loopback]:
    """Serve in a thread with a loop of its own, as long as the block goes on."""
    served = Loopback() if loopback is None else loopback
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    runners: list[web.AppRunner] = []

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runners.append(loop.run_until_complete(_serve(served, port)))
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runners[0].cleanup())
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=serve, name="loopback", daemon=True)
    thread.start()
    if not ready.wait(30):
        raise RuntimeError("the loopback server did not start")
    try:
        yield served
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)


async def _forever(loopback: Loopback, port: int) -> None:
    await _serve(loopback, port)
    print(loopback.url, flush=True)  # noqa: T201  for whoever started it
    await asyncio.Event().wait()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--never", action="store_true", help="no goal is ever reached")
    told = parser.parse_args(words)
    speaker = never if told.never else talk
    asyncio.run(_forever(Loopback(latency=told.latency, talk=speaker, keep=False), told.port))


if __name__ == "__main__":
    main()
