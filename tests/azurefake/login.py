"""The identity platform: discovery, and tokens for a federated token, a client's secret or a managed identity.

Source: learn.microsoft.com, "OAuth 2.0 client credentials flow on the Microsoft identity platform".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azurefake.message import Answer, Request
from azurefake.routes import route
from azurefake.tokens import SECRET, claims_of, now, token

if TYPE_CHECKING:
    from azurefake.state import Azure

HOST = "login.microsoftonline.com"
EXCHANGE = "api://AzureADTokenExchange"


@route("GET", "/{tenant}/v2.0/.well-known/openid-configuration", HOST)
def configuration(azure: Azure, request: Request, tenant: str) -> Answer:
    """Answer where a tenant's tokens are to be had."""
    base = f"https://{HOST}/{tenant}"
    return Answer(
        body={
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "issuer": f"{base}/v2.0",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "tenant_region_scope": "EU",
        }
    )


@route("GET", "/{tenant}/discovery/instance", HOST)
def instances(azure: Azure, request: Request, tenant: str) -> Answer:
    """Answer which hosts are the same identity platform."""
    alias = {"preferred_network": HOST, "preferred_cache": "login.windows.net", "aliases": [HOST, "login.windows.net"]}
    return Answer(
        body={
            "tenant_discovery_endpoint": f"https://{HOST}/{tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [alias],
        }
    )


@route("POST", "/{tenant}/oauth2/v2.0/token", HOST)
def issue(azure: Azure, request: Request, tenant: str) -> Answer:
    """Give a token for the asked scope to whoever proves to be the client."""
    form = request.form
    proven = _is_assertion(form.get("client_assertion", "")) or form.get("client_secret") == SECRET
    if not proven:
        what = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret or assertion."}
        return Answer(401, what)
    scope = next((one for one in form["scope"].split() if one.endswith("/.default")), "")
    given = token(scope.removesuffix("/.default"), azure.token_seconds)
    seconds = int(azure.token_seconds)
    return Answer(
        body={"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": given}
    )


@route("GET", "/msi/token", "127.0.0.1")
def managed(azure: Azure, request: Request) -> Answer:
    """Give a job's managed identity a token, as the endpoint does that Azure ML starts beside a job.

    Source: azure-identity 1.27.0, `_credentials/azure_ml.py`.
    """
    if request.headers.get("secret") != SECRET:
        return Answer(401, {"error": "unauthorized"})
    audience = request.query["resource"]
    expires = str(int(now() + azure.token_seconds))
    given = token(audience, azure.token_seconds)
    return Answer(body={"access_token": given, "expires_on": expires, "resource": audience, "token_type": "Bearer"})


@route("GET", "/metadata/identity/oauth2/token", "169.254.169.254")
def metadata(azure: Azure, request: Request) -> Answer:
    """Answer as a virtual machine does that has no managed identity."""
    return Answer(400, {"error": "invalid_request", "error_description": "Identity not found"})


def _is_assertion(text: str) -> bool:
    claims = claims_of(text)
    return claims is not None and claims["aud"] == EXCHANGE and claims["exp"] > now()
