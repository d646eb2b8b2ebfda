"""Keys at the door: who is let in, how keys change, and that none is ever repeated."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.door import Door, arguments, open_door, read_keys
from serving.errors import RequestError, ServingError
from serving.followed import Followed

KEY, OTHER = "correct-horse-battery", "staple"
TENANT = "11111111-2222-3333-4444-555555555555"
SCORE = "/score"


def options(*flags: str | Path) -> argparse.Namespace:
    """Parse a door's flags."""
    parser = argparse.ArgumentParser()
    arguments(parser)
    return parser.parse_args([str(flag) for flag in flags])


def key_file(folder: Path, text: str) -> Path:
    """Write a file of keys."""
    path = folder / "keys"
    path.write_text(text, encoding="utf-8")
    return path


def door_of(path: Path, open_metrics: bool = False) -> Door:
    """Return a door that looks at its file for each request."""
    return Door(Followed((path,), lambda: read_keys(path), look_seconds=0.0), None, open_metrics)


def bearer(key: str) -> dict[str, str]:
    """Return the header that most clients send."""
    return {"authorization": f"Bearer {key}"}


def is_let_in(door: Door, headers: dict[str, str], path: str = SCORE) -> bool:
    """Tell whether a request is let in; who is not, is told so by 401."""
    try:
        assert door.check(path, headers) is None
        return True
    except RequestError as error:
        assert error.status == 401
        return False


def test_a_key_is_taken_in_either_header(tmp_path: Path) -> None:
    door = door_of(key_file(tmp_path, f"camera:{KEY}\n"))

    assert is_let_in(door, bearer(KEY))
    assert is_let_in(door, {"authorization": f"bearer  {KEY} "})
    assert is_let_in(door, {"x-api-key": KEY})
    assert is_let_in(door, {"authorization": "Basic eA==", "x-api-key": KEY})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"x-api-key": ""},
        {"x-api-key": KEY.upper()},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": f"camera:{KEY}"},
        {"x-api-key": f"{KEY}, {KEY}"},
        {"authorization": f"Bearer {OTHER}", "x-api-key": KEY},
    ],
)
def test_anything_else_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    assert not is_let_in(door_of(key_file(tmp_path, f"camera:{KEY}\n")), headers)


@given(st.dictionaries(st.sampled_from(["authorization", "x-api-key"]), st.text()))
def test_no_text_at_all_gets_in_or_breaks_the_door(headers: dict[str, str]) -> None:
    door = Door(Followed((), lambda: frozenset([hashlib.sha256(KEY.encode()).digest()])), None)

    assert not is_let_in(door, headers)


def test_a_key_may_be_written_as_its_sha256_and_the_sha256_is_no_key(tmp_path: Path) -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    door = door_of(key_file(tmp_path, f"camera: sha256:{digest.upper()}\n"))

    assert is_let_in(door, bearer(KEY))
    assert not is_let_in(door, bearer(digest))
    assert not is_let_in(door, bearer(f"sha256:{digest}"))


def test_a_key_beyond_ascii_is_taken_as_its_utf_8(tmp_path: Path) -> None:
    door = door_of(key_file(tmp_path, "camera:schl\u00fcssel-\u9375\n"))
    sent = "schl\u00fcssel-\u9375".encode().decode("latin-1")  # as the server reads header values

    assert is_let_in(door, bearer(sent))
    assert not is_let_in(door, bearer("schl\u00fcssel-\u9375"))


def test_several_keys_are_good_at_a_time_and_remarks_are_none(tmp_path: Path) -> None:
    text = f"\ufeff# of the gates\r\n\r\n  # and the yard\r\ncamera:{KEY}\r\ncamera:{OTHER}\r\nyard:with:colon\r\n"
    door = door_of(key_file(tmp_path, text))

    assert all(is_let_in(door, bearer(key)) for key in (KEY, OTHER, "with:colon"))
    assert not is_let_in(door, bearer("# of the gates"))


def test_a_key_that_is_taken_out_of_the_file_is_refused_and_a_new_one_is_taken(tmp_path: Path) -> None:
    path = key_file(tmp_path, f"camera:{KEY}\n")
    door = door_of(path)
    assert is_let_in(door, bearer(KEY))

    path.write_text(f"camera:{OTHER}\n")
    assert not is_let_in(door, bearer(KEY))
    assert is_let_in(door, bearer(OTHER))


def test_a_file_without_keys_lets_nobody_in_any_more(tmp_path: Path) -> None:
    path = key_file(tmp_path, f"camera:{KEY}\n")
    door = door_of(path)
    assert is_let_in(door, bearer(KEY))

    path.write_text("# closed\n")
    assert not is_let_in(door, bearer(KEY))


def test_a_file_that_breaks_keeps_its_keys_and_says_so_without_repeating_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = key_file(tmp_path, f"camera:{KEY}\n")
    door = door_of(path)
    assert is_let_in(door, bearer(KEY))

    path.write_text(f"camera:{KEY}\n{OTHER}\n")
    assert is_let_in(door, bearer(KEY))
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"{path}:2: is not name:key")
    assert KEY not in complaint and OTHER not in complaint


def test_health_is_open_and_metrics_are_where_that_is_wanted(tmp_path: Path) -> None:
    path = key_file(tmp_path, f"camera:{KEY}\n")

    assert is_let_in(door_of(path), {}, "/v2/health/ready")
    assert not is_let_in(door_of(path), {}, "/metrics")
    assert is_let_in(door_of(path, open_metrics=True), {}, "/metrics")
    assert not is_let_in(door_of(path, open_metrics=True), {}, SCORE)
    assert not is_let_in(door_of(path, open_metrics=True), {}, "/v2/health")


def test_no_refusal_and_no_description_of_the_door_repeats_a_secret(tmp_path: Path) -> None:
    door = door_of(key_file(tmp_path, f"camera:{KEY}\n"))
    door.check(SCORE, bearer(KEY))
    with pytest.raises(RequestError) as refused:
        door.check(SCORE, bearer(OTHER))

    assert OTHER not in str(refused.value)
    assert KEY not in repr(door)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no key"),
        ("# camera:key\n", "holds no key"),
        (f"{KEY}\n", ":1: is not name:key"),
        (f"a:b\n:{KEY}\n", ":2: is not name:key"),
        ("camera:\n", ":1: is not name:key"),
        ("camera:sha256:abc\n", ":1: sha256: should be followed by"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_in_one_line_without_its_keys(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(ServingError) as refused:
        open_door(options("--keys", key_file(tmp_path, text)))

    assert reason in str(refused.value)
    assert KEY not in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="No such file"):
        open_door(options("--keys", tmp_path / "none"))
    (tmp_path / "keys").write_bytes(b"a:\xff\n")
    with pytest.raises(ServingError, match="not UTF-8"):
        open_door(options("--keys", tmp_path / "keys"))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--entra-tenant", TENANT], "name --entra-audience too"),
        (["--entra-audience", "api://x"], "name --entra-tenant too"),
        (["--entra-roles", "Score"], "name --entra-tenant too"),
        (["--entra-tenant", TENANT, "--entra-audience", "a", "--entra-roles", " , "], "names no role"),
        (["--entra-tenant", "contoso.com", "--entra-audience", "a"], "tenant's id"),
        (["--entra-tenant", TENANT, "--entra-audience", "a", "--entra-authority", "http://a.example"], "https://"),
    ],
)
def test_flags_that_would_leave_the_door_ajar_are_refused(flags: list[str], reason: str) -> None:
    with pytest.raises(ServingError, match=reason):
        open_door(options(*flags))


def test_without_keys_and_tenant_there_is_no_door() -> None:
    assert open_door(options()) is None
    assert open_door(options("--open-metrics")) is None
