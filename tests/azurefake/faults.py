"""What goes wrong on purpose: queues of answers for the next requests that match, dropped connections among them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from azurefake.message import Answer, Request


@dataclass(frozen=True)
class Drop:
    """A connection that breaks off, after `after` bytes of the request's body; `handled`: what was asked is done."""

    after: int = 0
    handled: bool = False


THROTTLED = Answer(429, {"error": {"code": "TooManyRequests", "message": "Slow down."}}, {"Retry-After": "1"})
UNAVAILABLE = Answer(503, {"error": {"code": "ServerBusy", "message": "The service is unavailable."}})
FORBIDDEN = Answer(403, {"error": {"code": "AuthorizationFailed", "message": "The client has no authorization."}})


@dataclass
class Fault:
    """Answers, each served once, for requests of a method ("*": any) whose address holds a part, whatever its case."""

    method: str
    part: str
    answers: deque[Answer | Drop] = field(default_factory=deque)

    def matches(self, request: Request) -> bool:
        """Tell whether the next answer is for this request."""
        return bool(self.answers) and self.method in ("*", request.method) and self.part.lower() in request.address
