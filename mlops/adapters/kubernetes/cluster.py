"""The way to a cluster's API: found by a kubeconfig or from within, and persistent while its server restarts.

Every request of this adapter may be repeated, so one that got no answer is sent again until `patience` seconds passed.
It knows no kind of object.

Source: kubernetes.io, "Kubernetes API Concepts"; "Organizing Cluster Access Using kubeconfig Files".
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import yaml

from mlops.adapters.kubernetes.refusals import Refused, hidden, refusal
from mlops.errors import ConfigError, TargetError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration
    from urllib3 import BaseHTTPResponse

PATIENCE_SECONDS = 60.0
CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
TRANSIENT = (429, 500, 502, 503, 504)
JSON = "application/json"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOGIN = (
    "get one by `az connectedk8s proxy` or from the cluster's owner and name it in KUBECONFIG, or name an AKS cluster "
    "as kubernetes.aks"
)


@dataclass(frozen=True)
class Answer:
    """What the API answered: `seconds` is the server's own time, in seconds since 1970."""

    status: int
    body: bytes
    kind: str
    seconds: float


@dataclass(frozen=True)
class Cluster:
    """One cluster's API as one user. `patience`: for how many seconds a request that gets no answer is repeated."""

    api: ApiClient
    patience: float

    @property
    def server(self) -> str:
        """Return the API server's address."""
        return str(self.api.configuration.host)

    def request(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None, kind: str = JSON
    ) -> Any:
        """Return what the API answers, parsed. `kind` is the content type of `body`.

        Raises Refused with the status that the API refuses with, TargetError where it can't be reached.
        """
        return _parsed(self.ask(method, path, body, query, kind))

    def ask(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None, kind: str = JSON
    ) -> Answer:
        """Return what the API answers, as it is. Raises what `request` raises."""
        content = None if body is None else json.dumps(body).encode()
        address = f"{path}?{urlencode(query)}" if query else path
        answer = self._persistently(method, address, content, {"Content-Type": kind, "Accept": "application/json"})
        if answer.status >= 400:
            raise refusal(answer.status, answer.body, f"{method} {path}")
        return answer

    def find(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return what a GET answers, None where there is no such thing."""
        try:
            return self.request("GET", path, query=query)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def send(self, method: str, address: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send one request once, with our credentials. Raises what urllib3 raises where no answer comes."""
        response = self.open(method, address, content, headers, READ_SECONDS)
        try:
            date = response.headers.get("Date")
            seconds = parsedate_to_datetime(date).timestamp() if date else time.time()
            return Answer(response.status, response.read(), response.headers.get("Content-Type", ""), seconds)
        finally:
            response.release_conn()

    def open(
        self, method: str, address: str, content: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> BaseHTTPResponse:
        """Send one request and return the answer unread; `seconds` may pass until the next part of it."""
        from urllib3 import Timeout

        sent = {**headers, "User-Agent": "visionline"}
        # Here and not once: a token of an exec plugin or a file is renewed when it is asked for.
        self.api.update_params_for_auth(sent, [], ["BearerToken"])
        return self.api.rest_client.pool_manager.request(  # type: ignore[no-any-return]
            method,
            f"{self.server}{address}",
            body=content,
            headers=sent,
            timeout=Timeout(connect=CONNECT_SECONDS, read=seconds),
            preload_content=False,
            retries=False,
        )

    def _persistently(self, method: str, address: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        from urllib3.exceptions import HTTPError

        deadline, pause = time.monotonic() + self.patience, FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = self.send(method, address, content, headers)
                if answer.status not in TRANSIENT or time.monotonic() > deadline:
                    return answer
            except (HTTPError, OSError) as error:
                if time.monotonic() > deadline:
                    raise TargetError(f"{self.server} does not answer ({hidden(str(error))}): {LOGIN}") from None
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def connect(context: str | None, patience: float | None = None) -> Cluster:
    """Return the cluster that a kubeconfig's context leads to (None: its current one), or else the one around us.

    Raises ConfigError where nothing leads to a cluster.
    """
    from kubernetes import client, config

    configuration = client.Configuration()
    path = kubeconfig()
    try:
        if context is None and not path.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(str(path), context=context, client_configuration=configuration)
    except (config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: leads to no cluster ({hidden(str(error))}): {LOGIN}") from None
    return reached(configuration, patience)


def reached(configuration: Configuration, patience: float | None) -> Cluster:
    """Return the cluster that a configuration of the client leads to."""
    from kubernetes import client

    if urlsplit(configuration.host).hostname in LOOPBACK:
        configuration.proxy = None  # a proxy could only be in the way of Arc's, which is on this machine
    return Cluster(client.ApiClient(configuration), PATIENCE_SECONDS if patience is None else patience)


def kubeconfig() -> Path:
    """Return the kubeconfig of this process: the first that KUBECONFIG names, else the user's."""
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube" / "config"


def _parsed(answer: Answer) -> Any:
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError:
        raise TargetError(f"the cluster's address answers with {answer.kind}, not JSON: {LOGIN}") from None
