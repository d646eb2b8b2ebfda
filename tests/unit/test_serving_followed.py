"""A value that follows its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.errors import ServingError
from serving.followed import Followed


def following(*files: Path, look_seconds: float = 0.0) -> Followed[str]:
    """Follow files whose texts together are the value; "bad" in one of them makes it unusable."""

    def make() -> str:
        text = "".join(file.read_text(encoding="utf-8") for file in files)
        if "bad" in text:
            raise ServingError("it is bad")
        return text

    return Followed(files, make, look_seconds)


def test_it_follows_each_of_its_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    followed = following(first, second)

    assert followed.now() == "12"
    second.write_text("three")
    assert followed.now() == "1three"


def test_it_makes_nothing_anew_while_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    made: list[str] = []
    followed = Followed((tmp_path / "a",), lambda: made.append("once"), 0.0)
    followed.now()
    followed.now()

    assert made == ["once"]


def test_it_does_not_look_again_before_its_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    followed = following(tmp_path / "a", look_seconds=3600)
    followed.now()
    (tmp_path / "a").write_text("two")

    assert followed.now() == "1"


def test_what_can_not_be_used_leaves_the_value_before_and_is_complained_of_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a"
    file.write_text("good")
    followed = following(file)
    followed.now()

    file.write_text("bad")
    assert [followed.now(), followed.now()] == ["good", "good"]
    file.unlink()
    assert followed.now() == "good"
    first, second = capsys.readouterr().err.splitlines()
    assert first == "it is bad: what it said before stays in force"
    assert second.startswith(f"{file}: cannot be read (No such file or directory)")
    file.write_text("good again")
    assert followed.now() == "good again"


def test_it_complains_again_of_what_comes_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a"
    followed = following(file)
    for text in ("good", "bad", "better", "bad"):
        file.write_text(text)
        followed.now()

    assert len(capsys.readouterr().err.splitlines()) == 2


def test_without_a_value_before_the_error_is_raised_and_later_the_value_comes(tmp_path: Path) -> None:
    followed = following(tmp_path / "a")
    with pytest.raises(ServingError, match="cannot be read"):
        followed.now()

    (tmp_path / "a").write_text("good")
    assert followed.now() == "good"
