"""What Azure's SDKs raise, as one line that says what to do. Tokens and signed addresses never get into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlops.errors import StepError
from mlops.hiding import hidden

# HTTP status -> what a person can do about it.
ADVICE = {
    401: "log in again (`az login`, or see README: Azure ML)",
    403: "the identity lacks a role: `python -m mlops preflight` says which",
    404: "it is not there: see the stage file's azureml section",
    409: "somebody else changed it meanwhile: run the step again",
    429: "Azure asks to wait: run the step again later",
}
# Class of an error without such a status -> what a person can do about it. A subclass stands before its base.
LOGINS = {
    "CredentialUnavailableError": "nobody is logged in here: `az login` on a laptop, elsewhere see README: Azure ML",
    "ClientAuthenticationError": "Entra ID refuses this login: `az login` again; in a pipeline or a pod compare client "
    "id, tenant, and the federated credential's issuer and subject",
}
AGAIN = "run the step again; what was done stays done"
LONGEST = 500


@contextmanager
def explained(what: str, error: type[StepError] = StepError) -> Iterator[None]:
    """Raise `error`, in one line that begins with `what`, where Azure's SDKs, or the way to Azure, fail."""
    try:
        yield
    except StepError:
        raise
    except Exception as raised:
        if not _is_azures(raised):
            raise
        failure = error(f"{what}: {reason(raised)}: {advice(raised)}")
        failure.status = status_of(raised)
        raise failure from None


def advice(raised: BaseException) -> str:
    """Return what a person can do about an exception: by its HTTP status, or else by its kind."""
    status = status_of(raised) or 0
    if status >= 500:  # a login, too, may only be out of order
        return AGAIN
    kinds = (kind.__name__ for kind in type(raised).__mro__)
    return ADVICE.get(status) or next((LOGINS[kind] for kind in kinds if kind in LOGINS), AGAIN)


def reason(raised: BaseException) -> str:
    """Return an exception's message in one line, without what is secret."""
    inner = getattr(raised, "error", None)
    said = getattr(inner, "message", None) or getattr(raised, "message", None) or str(raised) or type(raised).__name__
    status = status_of(raised)
    line = " ".join(hidden(str(said)).split())[:LONGEST].rstrip(".: ")
    return f"{status} {line}" if status else line


def status_of(raised: BaseException) -> int | None:
    """Return the HTTP status that an exception tells of, or None."""
    status = getattr(raised, "status_code", None)
    return status if isinstance(status, int) else None


def _is_azures(raised: Exception) -> bool:
    # The SDK lets the libraries that it is made of speak for themselves.
    return type(raised).__module__.split(".")[0] in ("azure", "marshmallow", "msrest", "requests", "urllib3", "isodate")
