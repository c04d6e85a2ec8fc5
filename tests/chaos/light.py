"""Models and an agent over HTTP in a few lines, so that a killed process is soon there again.

Written to the directory that a run is started from; the server's port is in the environment. What
they answer is a function of what they are asked, and each request says which it is.
"""

import asyncio
import json
import os

PORT = int(os.environ.get("CHAOS_PORT", "0"))


async def _asked(name: str, text: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    body = json.dumps({"name": name, "text": text}).encode()
    writer.write(b"POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def model(request) -> str:
    words = "\n".join(message.content for message in request.messages)
    return await _asked(f"{request.session.id}/{request.id}", words)


async def agent(messages, session_id: str, turn: int) -> str:
    return await _asked(f"{session_id}/{turn}/agent/0", messages[-1]["content"])
