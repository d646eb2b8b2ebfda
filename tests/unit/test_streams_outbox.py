"""An outbox delivers in order and at least once, waits for nobody who puts, and keeps what it can't deliver."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from running_endpoint import wait_for
from serving.errors import ServingError
from serving.streams.config import SinkConfig, SpoolConfig
from serving.streams.outbox import Backoff, Outbox, open_outboxes
from serving.streams.sinks import SinkError
from serving.streams.spool import Spool

LIMIT = 1 << 20
LINES = [b"%d\n" % number for number in range(2000)]
EAGER = Backoff(0.001, 0.01)
PATIENT = Backoff(3600.0, 3600.0)


class Uplink:
    """A sink in this process that is up, down or slow as the test says."""

    name = "uplink"

    def __init__(self) -> None:
        self.refused = 0
        self.taken: list[bytes] = []
        self.attempts = 0
        self.error: Exception | None = None
        self.bad: bytes | None = None
        self.is_free = threading.Event()
        self.is_free.set()
        self.is_closed = False

    def send(self, lines: Sequence[bytes]) -> None:
        """Take the lines, or do as the test said."""
        self.attempts += 1
        self.is_free.wait()
        if self.error is not None:
            raise self.error
        self.refused += sum(line == self.bad for line in lines)
        self.taken += [line for line in lines if line != self.bad]

    def close(self) -> None:
        """Remember it."""
        self.is_closed = True


@pytest.fixture
def uplink() -> Uplink:
    """Return an uplink that is up."""
    return Uplink()


@pytest.fixture
def outbox(uplink: Uplink, tmp_path: Path) -> Outbox:
    """Return an outbox that tries again at once."""
    return Outbox(uplink, Spool(tmp_path, LIMIT), EAGER)


def put_all(outbox: Outbox, lines: Sequence[bytes] = LINES) -> None:
    """Put lines one after another."""
    for line in lines:
        outbox.put(line)


def counts(outbox: Outbox, *names: str) -> list[int]:
    """Return some of the counters."""
    return [outbox.counters()[name] for name in names]


def test_while_the_uplink_is_up_and_quick_nothing_touches_the_disk(
    uplink: Uplink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.streams.outbox.KEEP_SECONDS", 3600.0)  # it is quick, however busy the machine is
    outbox = Outbox(uplink, Spool(tmp_path, LIMIT), EAGER)
    put_all(outbox)
    outbox.close(60)
    assert uplink.taken == LINES and uplink.is_closed
    assert counts(outbox, "sent", "spooled", "shed", "failures", "waiting") == [len(LINES), 0, 0, 0, 0]
    assert list(tmp_path.glob("*.lines")) == []


def test_what_the_uplink_missed_comes_in_order_before_what_is_new(uplink: Uplink, outbox: Outbox) -> None:
    uplink.error = SinkError("no route")
    put_all(outbox, LINES[:1000])
    wait_for(lambda: outbox.counters()["failures"] > 2 and outbox.counters()["spooled"] == 1000)
    assert outbox.reason == "no route"
    uplink.error = None
    put_all(outbox, LINES[1000:])
    wait_for(lambda: counts(outbox, "sent") == [len(LINES)])
    assert uplink.taken == LINES
    wait_for(lambda: outbox.reason is None)
    assert counts(outbox, "waiting", "shed") == [0, 0]
    outbox.close(60)


def test_a_sink_that_hangs_keeps_nobody_waiting_and_what_it_holds_goes_to_the_disk(
    uplink: Uplink, outbox: Outbox
) -> None:
    uplink.is_free.clear()
    put_all(outbox)
    wait_for(lambda: counts(outbox, "spooled") == [len(LINES)])
    uplink.is_free.set()
    wait_for(lambda: counts(outbox, "sent") == [len(LINES)])
    assert uplink.taken == LINES
    outbox.close(60)


def test_a_sink_that_takes_a_second_holds_nothing_that_a_kill_would_take(
    uplink: Uplink, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_late(lines: Sequence[bytes]) -> None:
        held.append(is_true_within(0.9, lambda: outbox.in_memory == 0))
        uplink.taken += lines

    held: list[bool] = []
    monkeypatch.setattr(uplink, "send", answer_late)
    for start in (0, 10):
        put_all(outbox, LINES[start : start + 10])
        wait_for(lambda start=start: len(uplink.taken) >= start + 10)
    assert len(held) > 1 and all(held), "what it was being sent, and what waited, is on the disk before it answers"
    assert (uplink.taken, outbox.counters()["failures"]) == (LINES[:20], 0)
    outbox.close(60)


def is_true_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until the condition is true, for so long at most; tell whether it is."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
    return condition()


def test_after_a_failure_the_back_off_is_waited_for_whatever_comes_meanwhile(uplink: Uplink, tmp_path: Path) -> None:
    uplink.error = SinkError("no route")
    outbox = Outbox(uplink, Spool(tmp_path, LIMIT), PATIENT)
    for count in (1000, 2000):
        put_all(outbox, LINES[count - 1000 : count])
        wait_for(lambda count=count: counts(outbox, "failures", "spooled") == [1, count])
    assert uplink.attempts == 1
    outbox.close(60)


def test_what_a_full_disk_does_not_take_stays_in_memory_and_arrives(uplink: Uplink, tmp_path: Path) -> None:
    uplink.error = SinkError("no route")
    outbox = Outbox(uplink, Spool(tmp_path, 16 * 4000), EAGER)  # a segment takes 4000 bytes
    put_all(outbox, LINES[:1000])
    wait_for(lambda: counts(outbox, "spooled") == [1000])
    (first,) = tmp_path.glob("*.lines")
    for number in range(int(first.stem) + 1, 100):
        (tmp_path / f"{number:010d}.lines").symlink_to("/dev/full")
    put_all(outbox, LINES[1000:])
    failures = outbox.counters()["failures"]
    wait_for(lambda: outbox.counters()["failures"] > failures + 3)
    assert counts(outbox, "waiting", "shed") == [len(LINES), 0]
    assert 1000 < outbox.counters()["spooled"] < 1100, "what the first segment still had room for"
    uplink.error = None
    wait_for(lambda: counts(outbox, "sent") == [len(LINES)])
    assert uplink.taken == LINES
    outbox.close(60)


@pytest.mark.parametrize("is_full", [True, False])
def test_a_memory_that_is_full_sheds_the_oldest_and_counts_them(
    uplink: Uplink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    monkeypatch.setattr("serving.streams.outbox.MEMORY_LINES", 100)
    monkeypatch.setattr("serving.streams.outbox.KEEP_SECONDS", 0.001 if is_full else 3600.0)
    uplink.is_free.clear()
    outbox = Outbox(uplink, Spool(tmp_path / "spool", LIMIT), EAGER)
    (tmp_path / "spool").rename(tmp_path / "gone")
    put_all(outbox, LINES[:1])
    wait_for(lambda: uplink.attempts == 1)
    put_all(outbox, LINES[1:])
    wait_for(lambda: counts(outbox, "shed", "waiting") == [len(LINES) - 101, 101])
    uplink.is_free.set()
    outbox.close(60)
    assert uplink.taken == [LINES[0], *LINES[-100:]]
    assert counts(outbox, "sent", "spooled", "shed") == [101, 0, len(LINES) - 101]


def test_what_no_disk_took_until_the_end_is_counted_as_shed(uplink: Uplink, tmp_path: Path) -> None:
    uplink.error = SinkError("no route")
    outbox = Outbox(uplink, Spool(tmp_path / "spool", LIMIT), PATIENT)
    (tmp_path / "spool").rename(tmp_path / "gone")
    put_all(outbox)
    outbox.close(60)
    assert counts(outbox, "sent", "spooled", "shed", "waiting") == [0, 0, len(LINES), 0]


def test_closing_leaves_what_could_not_be_sent_to_the_next_outbox(uplink: Uplink, tmp_path: Path) -> None:
    uplink.error = SinkError("no route")
    outbox = Outbox(uplink, Spool(tmp_path, LIMIT), PATIENT)
    put_all(outbox)
    wait_for(lambda: uplink.attempts == 1)
    outbox.close(60)
    assert uplink.attempts == 2, "closing wakes the back-off, and tries once more"
    assert uplink.taken == [] and uplink.is_closed
    uplink.error = None
    Outbox(uplink, Spool(tmp_path, LIMIT)).close(60)
    assert uplink.taken == LINES


def test_closing_waits_for_a_sink_that_hangs_until_the_deadline_only(uplink: Uplink, tmp_path: Path) -> None:
    outbox = Outbox(uplink, Spool(tmp_path, LIMIT))
    uplink.is_free.clear()
    put_all(outbox)
    outbox.close(0.01)
    after = Uplink()
    Outbox(after, Spool(tmp_path, LIMIT)).close(60)
    assert after.taken == LINES
    uplink.is_free.set()
    wait_for(lambda: not any(thread.name == "uplink-sender" for thread in threading.enumerate()))
    assert len(uplink.taken) < len(LINES), "a closed outbox sends no more"


def test_a_defect_of_a_sink_ends_neither_thread_nor_lines(uplink: Uplink, outbox: Outbox) -> None:
    uplink.error = ValueError("a\ndefect")
    put_all(outbox)
    wait_for(lambda: outbox.reason == "ValueError: a defect")
    uplink.error = None
    outbox.close(60)
    assert uplink.taken == LINES


def test_refused_lines_are_not_counted_as_sent(uplink: Uplink, outbox: Outbox) -> None:
    uplink.bad = LINES[7]
    put_all(outbox)
    outbox.close(60)
    assert counts(outbox, "sent", "refused") == [len(LINES) - 1, 1]


def test_an_uplink_too_slow_for_a_large_batch_gets_smaller_ones(
    uplink: Uplink, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_some(lines: Sequence[bytes]) -> None:
        uplink.taken += lines[:40]
        if len(lines) > 40:
            raise SinkError("not acknowledged in time")

    monkeypatch.setattr(uplink, "send", take_some)
    put_all(outbox)
    wait_for(lambda: counts(outbox, "sent") == [len(LINES)])
    assert list(dict.fromkeys(uplink.taken)) == LINES
    assert len(uplink.taken) < 2 * len(LINES), "what came twice is the smaller part"
    outbox.close(60)


def test_a_full_spool_sheds_the_oldest_and_counts_them(uplink: Uplink, tmp_path: Path) -> None:
    uplink.error = SinkError("no route")
    outbox = Outbox(uplink, Spool(tmp_path, 4000), EAGER)
    put_all(outbox)
    wait_for(lambda: counts(outbox, "spooled") == [len(LINES)])
    uplink.error = None
    outbox.close(60)
    sent, shed = counts(outbox, "sent", "shed")
    assert sent + shed == len(LINES) and shed > 0
    assert uplink.taken == LINES[shed:]


def test_several_threads_may_put_and_each_ones_lines_stay_in_order(uplink: Uplink, outbox: Outbox) -> None:
    def work(name: bytes) -> Callable[[], None]:
        return lambda: put_all(outbox, [name + line for line in LINES])

    threads = [threading.Thread(target=work(name)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.close(60)
    for name in (b"a", b"b", b"c"):
        assert [line for line in uplink.taken if line.startswith(name)] == [name + line for line in LINES]


def test_the_wait_doubles_to_a_cap_varies_by_chance_and_is_never_less_than_asked() -> None:
    backoff = Backoff(1.0, 8.0)
    for failures, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (10_000, 8.0)):
        waits = {backoff.seconds(failures, None) for _ in range(50)}
        assert len(waits) > 1 and longest / 2 <= min(waits) and max(waits) <= longest
    assert (backoff.seconds(1, 30.0), backoff.seconds(1, 1e9)) == (30.0, 3600.0)


def test_each_sink_has_its_own_spool(tmp_path: Path) -> None:
    files = [SinkConfig("jsonl", {"name": name, "path": str(tmp_path / f"{name}.jsonl")}) for name in ("a", "b")]
    outboxes = open_outboxes(files, tmp_path / "spool", SpoolConfig())
    for outbox in outboxes:
        put_all(outbox)
        outbox.close(60)
        assert (tmp_path / f"{outbox.name}.jsonl").read_bytes() == b"".join(LINES)
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["a", "b"]


@pytest.mark.parametrize("limit", [0.0, -1.0])
def test_a_spool_without_room_is_refused(tmp_path: Path, limit: float) -> None:
    with pytest.raises(ServingError, match="spool: limit_mb: .* is too small"):
        open_outboxes([], tmp_path, SpoolConfig(limit_mb=limit))


def test_two_sinks_of_one_name_are_refused(tmp_path: Path) -> None:
    sinks = [SinkConfig("jsonl", {"path": "x"}), SinkConfig("jsonl", {"path": "y"})]
    with pytest.raises(ServingError, match="two are called jsonl: give each a `name`"):
        open_outboxes(sinks, tmp_path, SpoolConfig())
