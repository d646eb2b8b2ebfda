"""Registries of images: the exchange of a token of Entra ID for one of the registry.

Source: Azure/acr, docs/AAD-OAuth.md (Calling POST /oauth2/exchange to get an ACR refresh token).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azurefake.message import Answer, Request, refusal
from azurefake.routes import route
from azurefake.tokens import claims_of, now, token

if TYPE_CHECKING:
    from azurefake.state import Azure

AUDIENCE = "https://containerregistry.azure.net"


@route("POST", "/oauth2/exchange", "*.azurecr.io")
def exchange(azure: Azure, request: Request) -> Answer:
    """Give a refresh token for a token of Entra ID, to who comes with one for registries and names this one."""
    form = request.form
    claims = claims_of(form.get("access_token", ""))
    is_good = claims is not None and claims["aud"] == AUDIENCE and claims["exp"] > now()
    if not is_good or (form.get("grant_type"), form.get("service")) != ("access_token", request.host):
        return refusal(401, "UNAUTHORIZED", "authentication required")
    if request.host in azure.more.get("closed registries", ()):
        return refusal(403, "DENIED", "client with IP '203.0.113.9' is not allowed access")
    return Answer(body={"refresh_token": token(request.host, 3 * 3600)})
