"""What Azure's SDKs raise, as one line that says what to do. Tokens and signed addresses never get into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from mlops.errors import StepError

# HTTP status -> what a person can do about it.
ADVICE = {
    401: "log in again (`az login`, or see README: Azure ML)",
    403: "the identity lacks a role: `python -m mlops preflight` says which",
    404: "it is not there: see the stage file's azureml section",
    409: "somebody else changed it meanwhile: run the step again",
    429: "Azure asks to wait: run the step again later",
}
AGAIN = "run the step again; what was done stays done"
SECRETS = re.compile(
    r"(?i)(\bsig=|\bBearer\s+|\baccess_token[\"'=:\s]+|AccountKey=|\bclient_secret=|\bcode=)[^\s&\"',;]+|eyJ[\w.-]{20,}"
)
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
        failure = error(f"{what}: {reason(raised)}: {ADVICE.get(status_of(raised) or 0, AGAIN)}")
        failure.status = status_of(raised)
        raise failure from None


def reason(raised: BaseException) -> str:
    """Return an exception's message in one line, without what is secret."""
    inner = getattr(raised, "error", None)
    said = getattr(inner, "message", None) or getattr(raised, "message", None) or str(raised) or type(raised).__name__
    status = status_of(raised)
    line = " ".join(SECRETS.sub("[hidden]", str(said)).split())[:LONGEST].rstrip(".: ")
    return f"{status} {line}" if status else line


def status_of(raised: BaseException) -> int | None:
    """Return the HTTP status that an exception tells of, or None."""
    status = getattr(raised, "status_code", None)
    return status if isinstance(status, int) else None


def _is_azures(raised: Exception) -> bool:
    # The SDK lets the libraries that it is made of speak for themselves.
    return type(raised).__module__.split(".")[0] in ("azure", "marshmallow", "msrest", "requests", "urllib3", "isodate")
