"""A form's parts come out as they went in, and what is no form is refused with a reason."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import RequestError
from serving.multipart import MAX_CONTENT_TYPE, MAX_HEADER_BYTES, MAX_HEADERS, MAX_IMAGES, images_of

TYPE = "multipart/form-data; boundary=xyz"
HEADER = b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\n'


def form(*parts: bytes, header: bytes = HEADER) -> bytes:
    """Return a form of parts that have the same header."""
    return b"".join(b"--xyz\r\n" + header + b"\r\n" + part + b"\r\n" for part in parts) + b"--xyz--\r\n"


def refusal(body: bytes, content_type: str = TYPE) -> RequestError:
    with pytest.raises(RequestError) as caught:
        images_of(body, content_type)
    assert "\n" not in str(caught.value) and str(caught.value).isprintable()
    return caught.value


def test_what_an_http_library_sends_is_read() -> None:
    files = [("images", ("a.jpg", b"one", "image/jpeg")), ("images", ("\u00e9 b.png", b"t\r\nwo")), ("images", b"")]
    request = httpx.Request("POST", "http://a/score", files=files)
    images = images_of(request.read(), request.headers["content-type"])
    assert images == [("a.jpg", b"one"), ("\u00e9 b.png", b"t\r\nwo"), ("upload", b"")]


def test_a_part_without_a_file_name_bears_its_field_s() -> None:
    assert images_of(form(b"x", header=b'content-disposition: form-data; name="left"\r\n'), TYPE) == [("left", b"x")]


def test_a_quoted_boundary_and_a_preamble_are_read() -> None:
    assert images_of(b"hello\r\n" + form(b"x"), 'Multipart/Form-Data; charset=utf-8; boundary="xyz"')[0][1] == b"x"


def test_a_name_is_one_printable_line_of_bounded_length() -> None:
    header = b'Content-Disposition: form-data; name="a"; filename="a%0D%0Ab\x07' + b"c" * 500 + b'"\r\n'
    ((name, _),) = images_of(form(b"x", header=header), TYPE)
    assert name.startswith("a??b?ccc") and len(name) == 200


def test_as_many_images_as_are_allowed_come_in_order() -> None:
    parts = [b"%d" % number for number in range(MAX_IMAGES)]
    assert [content for _, content in images_of(form(*parts), TYPE)] == parts


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (form(b"x"), "multipart/mixed; boundary=xyz", 415, "should be multipart/form-data, is multipart/mixed"),
        (form(b"x"), "image/jpeg", 415, "is image/jpeg"),
        (form(b"x"), "multipart/form-data", 400, "Empty boundary"),
        (form(b"x"), "multipart/form-data; boundary=", 400, "Empty boundary"),
        (form(b"x"), "multipart/form-data; boundary=other", 400, "Boundary not found"),
        (form(b"x"), TYPE + "; a=" + "b" * MAX_CONTENT_TYPE, 400, "content type has more than"),
        (b"", TYPE, 400, "Unexpected end"),
        (b"--xyz--\r\n", TYPE, 400, "the form is empty"),
        (form(b"x")[:-6], TYPE, 400, "Unexpected end"),
        (form(b"x", header=b""), TYPE, 400, "Missing Content-Disposition"),
        (form(b"x", header=b"Content-Disposition: form-data\r\n"), TYPE, 400, "Missing name"),
        (form(b"x", header=b"Content-Disposition: attachment; name=a\r\n"), TYPE, 400, "Wrong type"),
        (form(b"x", header=HEADER + b"Content-Length: 2\r\n"), TYPE, 400, "does not match Content-Length"),
        (form(b"x", header=HEADER + b"Content-Length: 0\r\n"), TYPE, 400, "Content-Length exceeded"),
        (form(b"x", header=HEADER + b"X: \xff\r\n"), TYPE, 400, "failed to decode"),
        (form(b"x", header=HEADER + b"X: " + b"a" * MAX_HEADER_BYTES + b"\r\n"), TYPE, 413, "header length"),
        (form(b"x", header=HEADER * (MAX_HEADERS + 1)), TYPE, 413, "header count"),
        (form(*[b"x"] * (MAX_IMAGES + 1)), TYPE, 413, "64 images"),
    ],
)
def test_what_is_no_form_of_images_is_refused_with_a_reason(
    body: bytes, content_type: str, status: int, reason: str
) -> None:
    error = refusal(body, content_type)
    assert error.status == status and reason in str(error)


@given(st.lists(st.binary(max_size=50).filter(lambda part: b"--xyz" not in part), min_size=1, max_size=8))
def test_any_bytes_come_out_as_they_went_in(parts: list[bytes]) -> None:
    assert [content for _, content in images_of(form(*parts), TYPE)] == parts


@given(st.integers(0, len(form(b"x", b"y")) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_form_is_read_or_refused_and_nothing_else(position: int, put: bytes) -> None:
    good = form(b"x", b"y")
    try:
        images_of(good[:position] + put + good[position + len(put) :], TYPE)
    except RequestError as error:
        assert error.status in (400, 413)
