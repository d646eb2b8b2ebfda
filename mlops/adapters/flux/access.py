"""How git and the code host are reached: which addresses are taken, whose token, and git's environment.

Git sees no configuration but ours. The token goes by the environment, as a header for the repository's own host: never
in an argument, where other processes read it, nor in an address, where messages show it.

Source: git-scm.com/docs/git (Environment variables), git-config (http.<url>.*, GIT_CONFIG_COUNT).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from mlops.errors import ConfigError
from mlops.rest import LOOPBACK

TOKENS = {"github": ("GITOPS_TOKEN", "GITHUB_TOKEN"), "azure-devops": ("GITOPS_TOKEN", "SYSTEM_ACCESSTOKEN")}
KEPT = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSH_COMMAND")
LOCAL = ("/", "file:///")


def token_of(host: str) -> str:
    """Return the token of the environment for a code host; empty where there is none.

    GITOPS_TOKEN comes first: what a pipeline is given by itself reaches its own repository, and seldom this one.
    """
    return next((os.environ[name].strip() for name in TOKENS[host] if os.environ.get(name)), "")


def checked_address(url: str, where: str) -> str:
    """Return the repository's address. Raises ConfigError where it is none, or would show a token or a password."""
    if not url:
        raise ConfigError(f"{where}: flux.repository is empty: name the GitOps repository's address")
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text may show what stands before the host
        raise ConfigError(f"{where}: flux.repository is no address: mend its host") from None
    if parts.password or (parts.username and parts.scheme in ("http", "https")):
        raise ConfigError(f"{where}: flux.repository holds credentials: take them out, and set {TOKENS['github'][0]}")
    is_safe = parts.scheme in ("https", "ssh") or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not (is_safe or url.startswith(LOCAL) or _is_scp_like(url)):
        raise ConfigError(f"{where}: flux.repository: '{url}' should begin with https:// or ssh://")
    return url


def environment(url: str, token: str) -> dict[str, str]:
    """Return the environment in which git runs: nobody's configuration, no prompt, no redirect, our token if any."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "SSH_ASKPASS"))}
    certificates = {key: os.environ[key] for key in KEPT if key in os.environ}
    if "SSL_CERT_FILE" in os.environ:
        certificates.setdefault("GIT_SSL_CAINFO", os.environ["SSL_CERT_FILE"])
    return {
        **inherited,
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        **certificates,
        "LC_ALL": "C",  # its messages are read
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:file",
        **_settings(_chosen(url, token)),
    }


def _chosen(url: str, token: str) -> dict[str, str]:
    parts = urlsplit(url)
    chosen = {
        "core.hooksPath": os.devnull,
        "gc.auto": "0",
        "http.followRedirects": "false",
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": "30",
    }
    if token and parts.scheme in ("http", "https"):
        login = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        chosen[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = f"Authorization: Basic {login}"
    return chosen


def _settings(chosen: Mapping[str, str]) -> dict[str, str]:
    numbered = {"GIT_CONFIG_COUNT": str(len(chosen))}
    for number, (key, value) in enumerate(chosen.items()):
        numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return numbered


def _is_scp_like(url: str) -> bool:
    """Tell whether it is git's short form of ssh, as git@github.com:team/clusters."""
    before, colon, _ = url.partition(":")
    return bool(colon) and "@" in before and not set("/[") & set(before) and not url.startswith("-")
