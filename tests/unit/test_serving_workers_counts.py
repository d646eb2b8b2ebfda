"""What all workers have counted together does not fall when one of them is silent or ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import serving.supervisor
from serving.channel import Message, open_line
from serving.merge import merge_reports
from serving.supervisor import Supervisor, Worker


class Peer:
    """A worker's other end: it reports one version's requests, or nothing while it is silent."""

    def __init__(self, requests: int) -> None:
        self.requests, self.versions, self.is_silent = requests, ["1"], False

    async def answer(self, message: Message) -> Message:
        """Report."""
        if self.is_silent:
            await asyncio.Event().wait()
        one = {"state": "ready", "reason": None, "requests": self.requests, "errors": 0, "in_flight": 0, "counters": {}}
        model = {"traffic": {}, "shadow": None, "deployments": dict.fromkeys(self.versions, one)}
        return {"report": {"observed_generation": 1, "error": None, "models": {"m": model}}}


@asynccontextmanager
async def supervised(*peers: Peer) -> AsyncIterator[Supervisor]:
    """Supervise workers that are no processes."""
    nothing: Any = None
    supervisor, lines = Supervisor([], len(peers), nothing), []
    for peer in peers:
        ours, theirs = socket.socketpair()
        handing, _ = socket.socketpair()
        lines += [await open_line(ours, peer.answer), await open_line(theirs, peer.answer)]
        supervisor.workers.append(Worker(nothing, handing, lines[-2]))
    listening = [asyncio.create_task(line.listen()) for line in lines]
    yield supervisor
    for task in listening:
        task.cancel()


async def requests(supervisor: Supervisor) -> tuple[int, int]:
    """Return how many workers report, and the requests of all together."""
    answer = await supervisor._answer(supervisor.workers[0], {"say": "reports"})
    assert answer is not None
    deployments = merge_reports(answer["reports"])["models"]["m"]["deployments"]
    return len(answer["reports"]), sum(one["requests"] for one in deployments.values())


def test_a_worker_that_does_not_report_in_time_counts_as_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        one, two = Peer(100), Peer(20)
        async with supervised(one, two) as supervisor:
            assert await requests(supervisor) == (2, 120)
            two.is_silent, one.requests, two.requests = True, 101, 25
            monkeypatch.setattr(serving.supervisor, "REPORT_SECONDS", 0.05)
            assert await requests(supervisor) == (1, 121)
            monkeypatch.undo()
            two.is_silent = False
            assert await requests(supervisor) == (2, 126)

    asyncio.run(scenario())


def test_what_workers_that_ended_have_counted_stays_until_the_version_is_gone() -> None:
    async def scenario() -> None:
        one, two, three = Peer(100), Peer(20), Peer(3)
        async with supervised(one, two, three) as supervisor:
            assert await requests(supervisor) == (3, 123)
            supervisor._forget(supervisor.workers[1])
            supervisor._forget(supervisor.workers[1])
            assert await requests(supervisor) == (1, 123)
            supervisor.count, one.versions = 1, ["2"]
            assert await requests(supervisor) == (1, 100)
            one.versions = ["1"]
            assert await requests(supervisor) == (1, 100)

    asyncio.run(scenario())
