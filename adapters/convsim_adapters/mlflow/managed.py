"""The model that Databricks manages for MLflow: ``databricks``, and ``gpt-oss-120b``.

Its client is in the package databricks-agents, takes one system and one user message and no
parameters, and tells no tokens. It makes a request that fails with 429 or 5xx up to ten times more,
which no parameter changes; the environment variable ``AGENT_EVAL_JUDGE_SERVICE_ERROR_RETRIES=0``
leaves retries to us.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from attrs import frozen

from convsim_adapters.cache_hints import Messages
from convsim_adapters.http_errors import sorted_error
from convsim_adapters.mlflow.endpoints import Answered, untangled
from convsim_adapters.mlflow.routes import asked_in_thread, read_answer
from convsim_adapters.model_calls import Asking, about, plain_words
from convsim_fp.errors import InvalidSpec, MalformedReply, PortError, Problem
from convsim_fp.interpreters import Model, Reply

__all__ = ["MANAGED", "managed_model", "two_prompts"]

MANAGED = ("databricks", "gpt-oss-120b")
MODEL = "gpt-oss-120b"
STATUS = re.compile(r"too many (\d{3}) error responses")
GOES_ON = (
    "The conversation so far is this JSON list of messages. Write the next message of the "
    "assistant, as the last message asks for it."
)

log = logging.getLogger("convsim")


def managed_model(
    uri: str, field: str, *, params: Mapping[str, object] | None, timeout: float
) -> Model:
    """Make the model port of the managed model; `timeout` in seconds bounds a request.

    `params` are left out, which is logged. Raises `InvalidSpec` about `field` where the package
    databricks-agents is not installed, before the first call.
    """
    if find_spec("databricks") is None or find_spec("databricks.agents") is None:
        what = f"is {uri!r}, the model that Databricks manages, which is reached through a package"
        how = "that is not installed: pip install databricks-agents"
        raise InvalidSpec([Problem(field, f"{what} {how}")])
    if params:
        log.info("%s takes no parameters; left out are: %s", uri, ", ".join(params))
    return Asking(uri, {}, _Managed(uri, timeout).send).ask


def two_prompts(messages: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Messages as the only two that the client takes: system and user.

    Where there are several beside the system's, they stand in JSON, so that none can pass for
    another.

    >>> two_prompts([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    ('Be brief.', 'Hi')
    """
    system = "\n\n".join(one["content"] for one in messages if one["role"] == "system")
    others = [dict(one) for one in messages if one["role"] != "system"]
    if len(others) == 1:
        return system or ".", others[0]["content"]
    return system or ".", f"{GOES_ON}\n\n{json.dumps(others, ensure_ascii=False)}"


@frozen
class _Managed:
    uri: str
    timeout: float

    async def send(self, messages: Messages, options: dict[str, Any]) -> Reply:
        """One call of the client."""
        del options  # it takes none
        system, user = two_prompts(messages.plain())
        try:
            result = await asked_in_thread(
                lambda: untangled(lambda: _call(system, user)), self.timeout
            )
            return _reply(result)
        except Answered as answered:
            words = plain_words(answered.words, {})
            raise about(self.uri, sorted_error(answered.status, words)) from None
        except PortError as error:
            if found := STATUS.search(str(error)):
                error = sorted_error(int(found[1]), str(error))
            raise about(self.uri, error) from None


def _call(system: str, user: str) -> Any:
    from mlflow.genai.judges.adapters import (  # noqa: PLC0415  heavy
        databricks_managed_judge_adapter as client,
    )

    return client.call_chat_completions(user_prompt=user, system_prompt=system, model=MODEL)


def _reply(result: Any) -> Reply:
    code: str = str(getattr(result, "error_code", None) or "")
    if code:
        words = str(getattr(result, "error_message", "") or "")
        known = code.isdecimal()
        raise Answered(int(code) if known else 500, words if known else f"{code}: {words}")
    told: Any = getattr(result, "output_json", None)
    if not told:
        raise MalformedReply("the answer is empty")
    try:
        return read_answer(json.loads(told) if isinstance(told, str) else told)
    except ValueError:
        raise MalformedReply("the answer is no JSON") from None
