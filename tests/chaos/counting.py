"""A server that counts what it is asked, and answers as a function of it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from threading import Condition, Thread
from typing import Self

LATENCY = 0.004  # seconds


class Counting:
    """Serves in a thread of its own for as long as the block goes on."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.times: list[float] = []
        self.another = Condition()
        self.loop = asyncio.new_event_loop()
        self.server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.thread = Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self.loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def wait_for(self, number: int, over: Callable[[], bool]) -> None:
        """Return when so many requests have come in all, or it is over without them."""
        with self.another:
            while len(self.times) < number and not over():
                self.another.wait(0.005)

    async def _begin(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self.server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            asked = json.loads(await reader.readexactly(length))
            with self.another:
                self.asked[asked["name"]] += 1
                self.times.append(time.monotonic())
                self.another.notify_all()
            await asyncio.sleep(LATENCY)
            body = json.dumps(answer(asked["name"], asked["text"])).encode()
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever asked was killed
        finally:
            writer.close()


def answer(name: str, text: str) -> str:
    """The same for the same question, whoever asks and when."""
    number = int.from_bytes(sha256(text.encode()).digest()[:4], "big")
    if "/goal_check/" in name:
        result = "yes" if number % 9 == 0 else "no"
        return json.dumps({"rationale": f"because of {number % 97}", "result": result})
    return f"These are words number {number % 9973}."
