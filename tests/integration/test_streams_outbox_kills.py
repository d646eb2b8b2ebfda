"""A process is killed while its uplink is up but takes its time to answer: what it held is on the disk by then."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

from far_ends import HttpEnd
from running_endpoint import environment
from serving.streams.config import SinkConfig
from serving.streams.outbox import Outbox
from serving.streams.sinks import open_sink
from serving.streams.spool import Spool

LINES = [b'{"n":%d}' % number for number in range(300)]
# Puts lines a few at a time to a sink that holds its answer back, and is killed before a second is over.
SENDER = """
import os, signal, sys, time
from pathlib import Path
from serving.streams.config import SinkConfig
from serving.streams.outbox import Outbox
from serving.streams.sinks import open_sink
from serving.streams.spool import Spool

outbox = Outbox(open_sink(SinkConfig("webhook", {"url": sys.argv[2]})), Spool(Path(sys.argv[1]), 10_000_000))
deadline = time.monotonic() + 0.9
for number in range(300):
    outbox.put(b'{"n":%d}\\n' % number)
    time.sleep(0.0001)
while outbox.in_memory and time.monotonic() < deadline:
    time.sleep(0.001)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_lines_of_a_process_that_was_killed_while_its_uplink_took_a_second_arrive_after_a_restart(
    tmp_path: Path,
) -> None:
    def refuse_late(body: bytes) -> int:
        is_over.wait(60)
        return 503

    end, is_over = HttpEnd(), threading.Event()
    end.status = refuse_late
    url = str(end.config.options["url"])
    killed = subprocess.run([sys.executable, "-c", SENDER, str(tmp_path), url], env=environment(), timeout=60)
    assert killed.returncode == -signal.SIGKILL and end.received() == []
    is_over.set()
    end.status = lambda body: 200
    Outbox(open_sink(SinkConfig("webhook", {"url": url})), Spool(tmp_path, 10_000_000)).close(60)
    end.close()
    assert end.received() == LINES
