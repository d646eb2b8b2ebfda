"""The spool gives back what it was given, in order, sheds the oldest over its limit, and is whole after any kill."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from serving.errors import ServingError
from serving.streams.spool import SEGMENTS, Position, Spool

LIMIT = 1600
ALL = 1 << 20
LINES = [b'{"n": %03d}\n' % number for number in range(300)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the spool is."""
    return tmp_path / "spool"


def drain(spool: Spool) -> list[bytes]:
    """Read and acknowledge all that waits."""
    drained: list[bytes] = []
    while len(spool):
        lines, place = spool.read(7, ALL)
        spool.acknowledge(place)
        drained += lines
    return drained


def killed(spool: Spool) -> None:
    """Let go of the lock as a kill does, with nothing else done."""
    os.close(spool._lock)


def test_lines_come_out_in_the_order_in_which_they_went_in(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES[:5])
    spool.append(LINES[5:])
    assert drain(spool) == LINES
    assert (len(spool), spool.size, spool.shed) == (0, 0, 0)


def test_what_is_not_acknowledged_is_read_again(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES)
    first, _ = spool.read(3, ALL)
    assert spool.read(3, ALL)[0] == first == LINES[:3]


def test_a_batch_is_bounded_by_its_size_but_never_empty(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES[:10])
    assert spool.read(10, len(LINES[0]) * 3 + 1)[0] == LINES[:3]
    assert spool.read(10, 1)[0] == LINES[:1]


def test_a_spool_opened_again_goes_on_where_it_was_killed(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES)
    spool.acknowledge(spool.read(20, ALL)[1])
    killed(spool)
    again = Spool(folder, ALL)
    assert len(again) == len(LINES) - 20
    again.append([b"later\n"])
    assert drain(again) == [*LINES[20:], b"later\n"]


def test_a_torn_last_line_is_dropped_and_counted(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES[:3])
    killed(spool)
    with next(folder.glob("*.lines")).open("ab") as file:
        file.write(LINES[3][:-1])
    again = Spool(folder, ALL)
    assert (again.torn, drain(again)) == (1, LINES[:3])


def test_over_the_limit_the_oldest_segment_is_shed_and_counted(folder: Path) -> None:
    spool = Spool(folder, LIMIT)
    spool.append(LINES)
    assert spool.size <= LIMIT
    left = len(spool)
    assert spool.shed == len(LINES) - left > 0
    assert left * len(LINES[0]) >= LIMIT * (SEGMENTS - 2) // SEGMENTS - SEGMENTS * len(LINES[0])
    assert drain(spool) == LINES[-left:]


def test_a_place_in_a_segment_that_was_shed_acknowledges_nothing(folder: Path) -> None:
    spool = Spool(folder, LIMIT)
    spool.append(LINES[:10])
    _, place = spool.read(2, ALL)
    spool.append(LINES)
    left = len(spool)
    spool.acknowledge(place)
    assert len(spool) == left


def test_a_line_larger_than_the_limit_is_shed_alone(folder: Path) -> None:
    spool = Spool(folder, LIMIT)
    spool.append([LINES[0], b"x" * LIMIT + b"\n", LINES[1]])
    assert (spool.shed, drain(spool)) == (1, LINES[:2])


def test_a_disk_that_takes_nothing_sheds_nothing_and_says_so(folder: Path) -> None:
    spool = Spool(folder, ALL)
    folder.rename(folder.with_name("gone"))
    assert spool.append(LINES) == 0
    folder.with_name("gone").rename(folder)
    assert spool.append(LINES) == len(LINES)
    assert (spool.shed, drain(spool)) == (0, LINES)


def test_a_disk_that_fills_up_keeps_the_oldest_and_tells_how_many(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append([b"x" * (ALL // SEGMENTS - len(LINES[0]) - 1) + b"\n"])
    folder.rename(folder.with_name("gone"))  # the file that is open takes what it has room for; there is no next one
    assert spool.append(LINES[:3]) == 1
    folder.with_name("gone").rename(folder)
    assert (spool.shed, drain(spool)[1:]) == (0, LINES[:1])


def test_a_disk_too_full_for_the_position_lets_go_of_what_was_sent(folder: Path) -> None:
    spool = Spool(folder, LIMIT)
    spool.append(LINES[:40])
    (folder / f".position.json.{os.getpid()}").mkdir()
    assert drain(spool) == LINES[:40]
    assert list(folder.glob("*.lines")) == []


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_segment_that_somebody_removed_is_shed_and_holds_up_nothing(folder: Path, harm: Callable) -> None:
    spool = Spool(folder, LIMIT)
    spool.append(LINES[:40])
    first = spool.read(ALL, ALL)[0]
    harm(min(folder.glob("*.lines")))
    assert drain(spool) == LINES[len(first) : 40]
    assert spool.shed == len(first)


def test_a_folder_that_is_none_any_more_sheds_each_line_once_and_holds_up_nobody(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES)
    folder.rename(folder.with_name("gone"))
    folder.touch()
    assert [spool.read(7, ALL)[0] for _ in range(2)] == [[], []]
    assert (spool.shed, len(spool)) == (len(LINES), 0)


def test_a_position_that_is_lost_sends_again_rather_than_not_at_all(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES)
    spool.acknowledge(spool.read(20, ALL)[1])
    killed(spool)
    (folder / "position.json").write_text("{", encoding="utf-8")
    assert drain(Spool(folder, ALL)) == LINES


def test_a_position_past_lines_that_a_power_cut_took_hides_none_that_come_later(folder: Path) -> None:
    spool = Spool(folder, ALL)
    spool.append(LINES)
    spool.acknowledge(spool.read(20, ALL)[1])
    killed(spool)
    next(folder.glob("*.lines")).unlink()
    again = Spool(folder, ALL)
    again.append(LINES[:2])
    assert drain(again) == LINES[:2]


def test_two_processes_cannot_share_a_spool(folder: Path) -> None:
    Spool(folder, ALL)
    with pytest.raises(ServingError, match="is another process's"):
        Spool(folder, ALL)


class SpoolMachine(RuleBasedStateMachine):
    """Any order of appending, reading, acknowledging, killing and tearing, beside a list that does the same."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.spool = Spool(Path(self.place.name), LIMIT)
        self.lines: list[bytes] = []
        self.read: tuple[list[bytes], Position] | None = None
        self.count = self.shed = 0

    @rule(sizes=st.lists(st.integers(0, LIMIT + 200), max_size=30))
    def append(self, sizes: list[int]) -> None:
        """Add lines of any size."""
        lines = [b"%d %s\n" % (self.count + index, b"x" * size) for index, size in enumerate(sizes)]
        self.count += len(lines)
        self.spool.append(lines)
        kept = [*self.lines, *(line for line in lines if len(line) <= LIMIT)]
        left = len(self.spool)
        self.shed += len(self.lines) + len(lines) - left
        self.lines = kept[len(kept) - left :]

    @rule(count=st.integers(1, 40), size=st.integers(1, 2 * LIMIT))
    def look(self, count: int, size: int) -> None:
        """Read the oldest."""
        self.read = self.spool.read(count, size)
        assert self.read[0] == self.lines[: len(self.read[0])]
        assert bool(self.read[0]) == bool(self.lines)

    @precondition(lambda self: self.read)
    @rule()
    def acknowledge(self) -> None:
        """Let go of what was read, of which some may have been shed since."""
        assert self.read is not None
        done = set(self.read[0])
        self.spool.acknowledge(self.read[1])
        self.lines = [line for line in self.lines if line not in done]

    @rule(torn=st.binary(max_size=20).filter(lambda torn: b"\n" not in torn))
    def kill_and_open(self, torn: bytes) -> None:
        """End without an end, in the midst of a line, and begin again."""
        killed(self.spool)
        segments = sorted(Path(self.place.name).glob("*.lines"))
        if segments:
            with segments[-1].open("ab") as file:
                file.write(torn)
        self.spool = Spool(Path(self.place.name), LIMIT)
        assert self.spool.torn == bool(segments and torn)
        self.spool.shed = self.shed

    @invariant()
    def keeps_within_its_limit_and_counts(self) -> None:
        """Compare with the list."""
        assert self.spool.size <= LIMIT
        assert (len(self.spool), self.spool.shed) == (len(self.lines), self.shed)

    def teardown(self) -> None:
        """Drain it: what is left comes in order."""
        assert drain(self.spool) == self.lines
        self.place.cleanup()


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
