"""Logins to Azure's registries for tools for images, by who this process is to Azure: as `az acr login`, without az.

Where a pipeline, a pod or a job has an identity, and nobody has logged in to a registry that a command names, a token
of Entra ID is exchanged for one of the registry. It lies in a folder that only this user reads and that goes with the
process, beside the logins that there are already. On a laptop `az acr login` is a person's to do.

Sources: Azure/acr, docs/AAD-OAuth.md (POST /oauth2/exchange); docker's config.json; containers-auth.json(5).
"""

from __future__ import annotations

import http.client
import json
import os
import re
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode

from mlops.adapters.azureml.credentials import LAPTOP, credential, place
from mlops.adapters.azureml.failures import explained
from mlops.adapters.images.logins import Login, docker_folder, login_of
from mlops.errors import RegistryError
from mlops.loading import write_json

HOST = re.compile(r"(?<![\w.-])[a-z0-9][a-z0-9-]*\.azurecr\.(?:io|cn|us)(?![\w.-])")
SCOPE = "https://containerregistry.azure.net/.default"
# The name that a registry knows those by who come with a token.
USER = "00000000-0000-0000-0000-000000000000"
LAST_SECONDS = 3600.0  # of the three hours that a registry's token holds: a tool may run for long with it
TIMEOUT_SECONDS = 20.0
WAY_OUT = "does this identity have a role on it (AcrPush, AcrPull), and may this machine reach it?"


@dataclass
class _Kept:
    """The logins of this process: by host, with the time of each; the folder is made with the first."""

    logins: dict[str, tuple[float, Login]] = field(default_factory=dict)
    folder: tempfile.TemporaryDirectory[str] | None = None


KEPT = _Kept()


def variables(command: Sequence[str]) -> dict[str, str]:
    """Return the variables by which a tool finds logins to all of Azure's registries that its command names.

    Raises RegistryError where such a registry does not let this identity in.
    """
    hosts = {host for word in command for host in HOST.findall(word)}
    found = {host: login for host in hosts if login_of(host) is None and (login := login_to(host))}
    if not found:
        return {}
    KEPT.folder = KEPT.folder or tempfile.TemporaryDirectory(prefix="visionline-logins-")
    path = Path(KEPT.folder.name) / "config.json"
    write_json(path, _beside(found))
    # docker keeps its builders beside its logins.
    builders = {"BUILDX_CONFIG": str(docker_folder() / "buildx")}
    return {"DOCKER_CONFIG": KEPT.folder.name, "REGISTRY_AUTH_FILE": str(path), **builders}


def login_to(host: str) -> Login | None:
    """Return a login to a registry, None where it is not Azure's, or where nobody is known to Azure here."""
    if not HOST.fullmatch(host) or place(os.environ) == LAPTOP or find_spec("azure") is None:
        return None
    since, login = KEPT.logins.get(host, (0.0, None))
    if login is None or time.monotonic() - since > LAST_SECONDS:
        login = Login(USER, _exchanged(host))
        KEPT.logins[host] = (time.monotonic(), login)
    return login


def _beside(found: dict[str, Login]) -> dict[str, object]:
    """Return docker's configuration as it is, with these logins."""
    try:
        content = json.loads((docker_folder() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    auths = {host: {"auth": login.basic.removeprefix("Basic ")} for host, login in found.items()}
    return {**content, "auths": {**(content.get("auths") or {}), **auths}}


def _exchanged(host: str) -> str:
    with explained(f"a token for {host}", RegistryError):
        token = credential().get_token(SCOPE).token
    form = {"grant_type": "access_token", "service": host, "access_token": token}
    request = urllib.request.Request(f"https://{host}/oauth2/exchange", urlencode(form).encode())
    try:
        with urllib.request.build_opener().open(request, timeout=TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["refresh_token"])
    except (URLError, OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        said = getattr(error, "reason", None) or type(error).__name__
        raise RegistryError(f"{host} gives no token for a token of Entra ID ({said}): {WAY_OUT}") from None
