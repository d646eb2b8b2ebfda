"""A process is killed again and again while its uplink is down, or comes and goes: no line is lost or early."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from far_ends import HttpEnd
from running_endpoint import environment, wait_for

LINES = [b'{"n":%d}' % number for number in range(2000)]
# Puts what is left of the lines, and writes down what it has put once none of it is in memory alone.
SENDER = """
import sys, time
from pathlib import Path
from serving.streams.config import SinkConfig
from serving.streams.outbox import Backoff, Outbox
from serving.streams.sinks import open_sink
from serving.streams.spool import Spool

folder, url, lines, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), 50
written = (folder / "put.txt").open("a+")
written.seek(0)
outbox = Outbox(open_sink(SinkConfig("webhook", {"url": url})), Spool(folder / "spool", 10_000_000), Backoff(0.01, 0.1))
for start in range(len(written.readlines()), lines, step):
    for number in range(start, start + step):
        outbox.put(b'{"n":%d}\\n' % number)
    while outbox.in_memory:
        time.sleep(0.001)
    print(*range(start, start + step), sep="\\n", file=written, flush=True)
while True:
    time.sleep(1)
"""


def start(folder: Path, url: str) -> subprocess.Popen[bytes]:
    """Start a process that puts lines from where the one before came to."""
    return subprocess.Popen([sys.executable, "-c", SENDER, str(folder), url, str(len(LINES))], env=environment())


def put(folder: Path) -> int:
    """Return how many lines have been put."""
    path = folder / "put.txt"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as the kernel does that lacks memory."""
    process.kill()
    process.wait()


def first_arrivals(end: HttpEnd) -> list[bytes]:
    """Return the lines in the order in which each came for the first time."""
    return list(dict.fromkeys(end.received()))


def test_lines_of_a_process_that_was_killed_while_the_uplink_was_down_arrive_after_a_restart(tmp_path: Path) -> None:
    end = HttpEnd()
    end.go_down()
    process = start(tmp_path, str(end.config.options["url"]))
    wait_for(lambda: put(tmp_path) == len(LINES))
    kill(process)
    assert end.received() == []
    end.come_up()
    process = start(tmp_path, str(end.config.options["url"]))
    wait_for(lambda: len(end.received()) >= len(LINES))
    kill(process)
    end.close()
    assert first_arrivals(end) == LINES


def test_lines_arrive_in_order_through_kills_at_any_moment_and_an_uplink_that_comes_and_goes(tmp_path: Path) -> None:
    end, chance = HttpEnd(), random.Random(7)
    is_up = True
    for _ in range(8):
        process = start(tmp_path, str(end.config.options["url"]))
        goal = put(tmp_path) + chance.randrange(50, 250)
        wait_for(lambda goal=goal: put(tmp_path) >= min(goal, len(LINES)))
        kill(process)
        is_up = not is_up
        end.come_up() if is_up else end.go_down()
    process = start(tmp_path, str(end.config.options["url"]))
    wait_for(lambda: put(tmp_path) == len(LINES) and end.received()[-1:] == LINES[-1:])
    kill(process)
    end.close()
    assert first_arrivals(end) == LINES
