"""All state of the fake Azure, what it was asked, what is to go wrong, and who is let in."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azurefake.faults import Drop, Fault
from azurefake.message import Answer, Request, refusal
from azurefake.operations import Operation, headers_of
from azurefake.routes import ARM, dispatch
from azurefake.schemas import violations
from azurefake.tokens import CLIENT, SECRET, TENANT, needs_token, refused, token

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
GROUP = "rg"
WORKSPACE = "ws"
ACCOUNT = "fakestore"


class Azure:
    """State that its handlers read and change, one request at a time.

    `resources` are by ARM id in lower case, as GET answers them; `blobs` by account, container and name. `unknown` are
    the requests that no route fits, `violations` the bodies that Azure's published schemas do not allow, `errors` the
    tracebacks of handlers that broke. `more` holds what a family of routes keeps beside resources and blobs.
    """

    SECRET = SECRET  # In each token, key and signed address: what must never be in a log, a message or a record.

    def __init__(self, folder: Path) -> None:
        """Start empty. The folder takes the federated token of the fake's one identity."""
        self.lock = threading.RLock()
        self.resources: dict[str, dict[str, Any]] = {}
        self.blobs: dict[tuple[str, str, str], bytes] = {}
        self.more: dict[str, Any] = {}
        self.operations: dict[int, Operation] = {}
        self.requests: list[Request] = []
        self.unknown: list[Request] = []
        self.violations: list[str] = []
        self.errors: list[str] = []
        self.faults: list[Fault] = []
        self.token_seconds = 3600.0
        self.proxy = self.bundle = ""
        self.identity_file = folder / "identity-token"
        self.identity_file.write_text(token("api://AzureADTokenExchange", 86400), encoding="utf-8")

    def put(self, id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a resource under its ARM id, with `id`, `name` and `type` filled in, and return it."""
        parts = id.strip("/").split("/")
        provider = parts[parts.index("providers") + 1 :] if "providers" in parts else parts[-2:]
        known = {"id": id, "name": parts[-1], "type": "/".join([provider[0], *provider[1::2]])}
        with self.lock:
            self.resources[id.lower()] = {**known, "properties": {}, **body}
            return self.resources[id.lower()]

    def get(self, id: str) -> dict[str, Any] | None:
        """Return the resource of an ARM id, or None."""
        with self.lock:
            return self.resources.get(id.lower())

    def children(self, id_prefix: str, type_segment: str) -> list[dict[str, Any]]:
        """Return the resources right below an id and one segment, as versions of a model, in the order they came."""
        above = f"{id_prefix}/{type_segment}/".lower()
        with self.lock:
            found = [key for key in self.resources if key.startswith(above) and "/" not in key[len(above) :]]
            return [self.resources[key] for key in found]

    def delete(self, id: str) -> bool:
        """Forget a resource and all below it; tell whether there was one."""
        with self.lock:
            gone = [key for key in self.resources if f"{key}/".startswith(f"{id.lower()}/")]
            for key in gone:
                del self.resources[key]
        return bool(gone)

    def operation(
        self, finish: Callable[[], None] = lambda: None, polls: int = 1, error: dict[str, Any] | None = None
    ) -> dict[str, str]:
        """Start a long-running operation, and return the headers to answer 201 or 202 with.

        The poll that is number `polls` calls `finish` and answers Succeeded, or Failed with an error (code, message).
        """
        with self.lock:
            number = len(self.operations) + 1
            self.operations[number] = Operation(finish, polls, error)
        return headers_of(number)

    def fail(self, method: str, path_part: str, *answers: Answer | Drop) -> None:
        """Give the next requests of a method ("*": any) whose address holds a part these answers, one each."""
        with self.lock:
            self.faults.append(Fault(method, path_part, deque(answers)))

    def sent(self, method: str = "*", path_part: str = "") -> list[Request]:
        """Return the requests of a method ("*": any) whose address (host, path, query) holds a part, in order."""
        with self.lock:
            wanted = [one for one in self.requests if method in ("*", one.method)]
        return [one for one in wanted if path_part.lower() in one.address]

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which a process meets this Azure instead of the real one."""
        trusted = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        proxied = ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
        return {
            **dict.fromkeys(proxied, self.proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            **dict.fromkeys(trusted, self.bundle),
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_FEDERATED_TOKEN_FILE": str(self.identity_file),
            "AZUREML_RUN_POLLING_INTERVAL_MIN": "0",
            "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
            # Else the SDK takes a component for registered that it registered with another test's Azure.
            "AZURE_ML_DISABLE_ON_DISK_CACHE": "True",
        }

    def job_environment(self) -> dict[str, str]:
        """Return the environment variables by which a process in a job finds its managed identity."""
        return {
            "AZUREML_RUN_ID": "job-1",
            "DEFAULT_IDENTITY_CLIENT_ID": CLIENT,
            "MSI_ENDPOINT": f"{self.proxy}/msi/token",
            "MSI_SECRET": SECRET,
        }

    def record(self, request: Request) -> None:
        """Take note of a request."""
        with self.lock:
            self.requests.append(request)

    def fault(self, request: Request) -> Answer | Drop | None:
        """Return what is to go wrong with this request, or None."""
        with self.lock:
            found = next((one for one in self.faults if one.matches(request)), None)
            return found.answers.popleft() if found else None

    def answer(self, request: Request) -> Answer:
        """Answer a request: 401 without a token that holds, 501 where no route fits."""
        with self.lock:
            self.requests.append(request)
            return self._refusal(request) or self._handled(request)

    def _refusal(self, request: Request) -> Answer | None:
        if not needs_token(request):
            return None
        why = refused(request)
        challenge = f'Bearer authorization_uri="https://login.microsoftonline.com/{TENANT}", error="invalid_token"'
        return refusal(401, "InvalidAuthenticationToken", why, WWW_Authenticate=challenge) if why else None

    def _handled(self, request: Request) -> Answer:
        if request.method == "PUT" and request.host == ARM:
            self.violations += violations(request)
        try:
            answer = dispatch(self, request)
        except Exception:  # noqa: BLE001 - a handler's own fault must be seen by the test, not end a thread
            self.errors.append(traceback.format_exc())
            return refusal(500, "FakeIsBroken", traceback.format_exc(limit=-1))
        if answer is None:
            self.unknown.append(request)
            return refusal(501, "NotInTheFake", f"The fake has no route for {request.method} {request.address}")
        return answer
