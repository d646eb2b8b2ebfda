"""Who we are to GitHub: a token as it is, or an app, whose key is exchanged for a token that lasts an hour.

A training may take longer than any token of the workflow that started it; an app's key makes a new one when it is
needed. The secret of an app is JSON: {"app": "its client or app id", "key": "its private key, PEM"}.

Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App" and "Authenticating as an installation".
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import Any

from mlops.errors import ConfigError
from mlops.ports import Secrets
from mlops.records import Origin
from mlops.rest import Rest, field_of

INSTALLATION_TOKEN = "ghs_"
JWT_SECONDS = 540  # GitHub takes ten minutes at most
CLOCKS_APART_SECONDS = 60
EXPECTED = 'the secret of a GitHub app should be {"app": "its id", "key": "its private key, PEM"}'


def is_app(secret: str) -> bool:
    """Tell whether a secret is an app's: its key, or a token made with it, as GITHUB_TOKEN is."""
    return secret.startswith(INSTALLATION_TOKEN) or secret.lstrip().startswith("{")


def given(name: str | None, secrets: Secrets) -> str:
    """Return the named secret, GITHUB_TOKEN where none is named. Raises ConfigError where there is none."""
    found = secrets.read(name) if name else os.environ.get("GITHUB_TOKEN")
    if not found:
        raise ConfigError("no token for GitHub: name a secret in the stage file's report_secret, or set GITHUB_TOKEN")
    return found


def open_api(secret: str, origin: Origin, right: str = "checks") -> Rest:
    """Return the API of the origin's repository, opened by a token, or by an app that may write what `right` names.

    Raises StepError where GitHub refuses.
    """
    if not secret.lstrip().startswith("{"):
        return _api(origin.api, secret.strip())
    app = _api(origin.api, _jwt(secret))
    number = field_of(app.request("GET", f"/repos/{origin.repository}/installation"), "id")
    limits = {"repositories": [origin.repository.rpartition("/")[2]], "permissions": {right: "write"}}
    made = app.request("POST", f"/app/installations/{number}/access_tokens", limits)
    return _api(origin.api, field_of(made, "token"))


def _api(url: str, token: str) -> Rest:
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    return Rest(url, {**headers, "Authorization": f"Bearer {token}"}, token)


def _jwt(secret: str) -> str:
    # azure-identity brings it along.
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        given = json.loads(secret)
        issuer, key = str(given["app"]), load_pem_private_key(given["key"].encode(), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(EXPECTED) from None
    now = int(time.time())
    claims = {"iss": issuer, "iat": now - CLOCKS_APART_SECONDS, "exp": now + JWT_SECONDS}
    signed = f"{_word({'alg': 'RS256', 'typ': 'JWT'})}.{_word(claims)}"
    return f"{signed}.{_encoded(key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


def _word(part: dict[str, Any]) -> str:
    return _encoded(json.dumps(part).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
