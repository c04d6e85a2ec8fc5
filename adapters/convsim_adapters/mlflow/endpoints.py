"""Where MLflow finds the endpoints of its own routes, and how one is sent a request."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from attrs import evolve, frozen

from convsim_adapters.http_errors import retry_after, words_of
from convsim_adapters.model_calls import plain_words
from convsim_adapters.vendors import import_vendor
from convsim_fp.errors import InvalidSpec, Problem, TimedOut, Unavailable

__all__ = ["Answered", "Post", "find_endpoint", "untangled"]

Post = Callable[[dict[str, Any]], Any]


class Answered(Exception):
    """An answer that is an error, by its status; `wait` is its Retry-After in seconds."""

    def __init__(self, status: int, words: str, *, wait: float | None = None) -> None:
        self.status = status
        self.words = words
        self.wait = wait
        super().__init__(f"{status}: {words}")


def find_endpoint(uri: str, field: str, *, timeout: float) -> Post:
    """The way to an endpoint: a function that sends it a body and gives its answer.

    It raises `Answered`, `TimedOut` or `Unavailable`; `timeout` in seconds bounds each read. Raises
    `InvalidSpec` about `field` where MLflow does not know where the endpoint is.
    """
    scheme, _, rest = uri.partition(":/")
    name = rest.strip("/")
    if not name:
        what = f"is {uri!r}, which names no endpoint; write {scheme}:/ENDPOINT"
        raise InvalidSpec([Problem(field, what)])
    try:
        match scheme:
            case "databricks":
                return _databricks("databricks", name, timeout=timeout)
            case "endpoints":
                return _deployed(name, timeout=timeout)
            case _:
                return _gateway(name, timeout=timeout)
    except Exception as error:  # MLflow and the SDK raise many kinds
        what = f"is {uri!r}, of which MLflow says: {plain_words(str(error), {})}"
        raise InvalidSpec([Problem(field, what)]) from error


def _deployed(name: str, *, timeout: float) -> Post:
    deployments = _of("mlflow.deployments")
    target: str = deployments.get_deployments_target()
    if target.partition(":")[0] == "databricks":
        return _databricks(target, name, timeout=timeout)
    if target.startswith(("http://", "https://")):
        return _Http(_server(target), f"/endpoints/{quote(name)}/invocations", timeout).post
    client = deployments.get_deploy_client(target)
    return lambda body: untangled(lambda: client.predict(endpoint=name, inputs=body))


def _gateway(name: str, *, timeout: float) -> Post:
    config = _of("mlflow.genai.utils.gateway_utils").get_gateway_config(name)
    base: str = config.api_base.rstrip("/")
    return _Http(_server(base), "/chat/completions", timeout, model=name).post


def _databricks(target: str, name: str, *, timeout: float) -> Post:
    found = _of("mlflow.utils.databricks_utils").get_databricks_host_creds(target)
    signs = found.use_databricks_sdk and not found.token
    if not (signs or found.token or found.username):
        raise LookupError(f"{found.host} is a host without a token, or with one that is refused")
    plain = copy.copy(found)
    plain.use_databricks_sdk, plain.client_id, plain.client_secret = False, None, None
    http = _Http(plain, f"/serving-endpoints/{quote(name)}/invocations", timeout)
    return evolve(http, headers=partial(_signed, found)).post if signs else http.post


def _signed(creds: Any) -> dict[str, str]:
    """What the SDK signs a request with, where it is no plain token; it renews it by itself."""
    kept = _of("mlflow.utils.rest_utils").get_workspace_client(
        creds.use_secret_scope_token, creds.host, creds.token, creds.databricks_auth_profile
    )
    return dict(kept.config.authenticate())


def _server(url: str) -> Any:
    return _of("mlflow.utils.credentials").get_default_host_creds(url)


def _of(module: str) -> Any:
    """A module of MLflow's, loaded when it is needed: they take seconds."""
    return import_vendor(module, extra="mlflow")


def _no_headers() -> dict[str, str]:
    return {}


@frozen
class _Http:
    """A path at a server, with the credentials that MLflow has for it; `model` goes in the body."""

    creds: Any
    path: str
    timeout: float
    model: str | None = None
    headers: Callable[[], dict[str, str]] = _no_headers

    def post(self, body: dict[str, Any]) -> Any:
        """One request."""
        headers = untangled(self.headers)
        response = untangled(lambda: self.send(body, headers))
        status: int = response.status_code
        if 300 <= status < 400:
            raise Answered(status, "redirects are not followed")
        if not 200 <= status < 300:
            words = plain_words(words_of(response.content), self.secrets(headers))
            raise Answered(status, words, wait=retry_after(dict(response.headers)))
        try:
            return response.json()
        except ValueError:
            raise Unavailable("the answer is no JSON") from None

    def send(self, body: dict[str, Any], headers: dict[str, str]) -> Any:
        """Through MLflow's client, without its retries."""
        return _of("mlflow.utils.rest_utils").http_request(
            self.creds,
            self.path,
            "POST",
            max_retries=0,
            raise_on_status=False,
            allow_redirects=False,
            timeout=self.timeout,
            extra_headers=headers,
            json=body if self.model is None else {"model": self.model, **body},
        )

    def secrets(self, headers: dict[str, str]) -> dict[str, object]:
        """What some servers give away in their answers; it may stand in no environment."""
        creds = self.creds
        known: dict[str, object] = {"token": creds.token, "password": creds.password}
        return {**known, "headers": headers}


def untangled(call: Callable[[], Any]) -> Any:
    """Raise what a client raises as what it stands for: by its status, if it has one."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001  each client has its own kinds
        known = [one for one in (error, error.__cause__, error.__context__) if one is not None]
        words = plain_words(f"{type(error).__name__}: {error}", {})
        if status := next(filter(None, map(_status, known)), None):
            raise Answered(status, words) from None
        if any("Timeout" in type(one).__name__ for one in known):
            raise TimedOut(words) from None
        raise Unavailable(words) from None


def _status(error: BaseException) -> int | None:
    for one in (error, getattr(error, "response", None)):
        found = getattr(one, "status_code", None)
        if isinstance(found, int):
            return found
    return None
