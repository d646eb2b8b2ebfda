"""Several images in one body: multipart/form-data (RFC 7578), as browsers, curl and HTTP libraries send files.

It knows nothing of images: each part is one, whatever it holds, and its decoder says if not.
"""

from __future__ import annotations

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from serving.errors import RequestError

MAX_IMAGES = 64
MAX_HEADERS = 8
MAX_HEADER_BYTES = 1024
MAX_NAME = 200  # characters of a name, which the answer repeats
MAX_CONTENT_TYPE = 256  # a boundary has 70 characters at most (RFC 2046, 5.1.1)


def images_of(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """Return the name and the bytes of each part, in order: a file's name, or the field's where it has none.

    Raises RequestError: 400 on a malformed or empty form, 413 on more than MAX_IMAGES or long headers, 415 on another
    content type than multipart/form-data.
    """
    try:
        images = _parts(body, _boundary(content_type))
    except ParserLimitReached as error:
        limits = f"{MAX_IMAGES} images, {MAX_HEADERS} headers each, {MAX_HEADER_BYTES} bytes a header"
        raise RequestError(413, f"the form exceeds what is allowed ({limits}): {_reason(error)}") from None
    except MultipartError as error:
        raise RequestError(400, f"the body is no multipart/form-data: {_reason(error)}") from None
    if not images:
        raise RequestError(400, "the form is empty: send one image or more")
    return images


def _boundary(content_type: str) -> str:
    if len(content_type) > MAX_CONTENT_TYPE:
        raise RequestError(400, f"the content type has more than {MAX_CONTENT_TYPE} characters")
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise RequestError(415, f"the content type should be multipart/form-data, is {_printable(kind)}")
    return options.get("boundary", "")


def _parts(body: bytes, boundary: str) -> list[tuple[str, bytes]]:
    parts: list[tuple[str, bytes]] = []
    limits = {"max_segment_count": MAX_IMAGES, "max_header_count": MAX_HEADERS, "max_header_size": MAX_HEADER_BYTES}
    with PushMultipartParser(boundary, content_length=len(body), strict=True, **limits) as parser:
        name, content = "", b""
        for event in parser.parse(body):
            if event is None:
                parts.append((name, content))
            elif isinstance(event, bytes):
                content = event  # all of the part, since all of the body was given at once
            else:
                name, content = _printable(event.filename or event.name), b""
    return parts


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MAX_NAME])


def _reason(error: Exception) -> str:
    return " ".join(str(error.args[0]).split())
