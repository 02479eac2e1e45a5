"""A body without Content-Length, as some callers stream it."""

import io

from project.chunked import WholeBodies


def call(limit: int, **environ):
    told: list = []

    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))]

    body = b"".join(WholeBodies(application, limit=limit)(environ, lambda status, headers: told.append(status)))
    return told[0], body


def test_s_084_a_chunked_body_is_read_whole():
    streamed = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"12345"), "wsgi.input_terminated": True}
    assert call(5, **streamed) == ("200 OK", b"12345")


def test_s_084_a_chunked_body_that_is_too_large_is_refused():
    streamed = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"123456"), "wsgi.input_terminated": True}
    status, body = call(5, **streamed)
    assert status.startswith("413")
    assert b"too_large" in body


def test_a_body_with_a_length_is_left_alone():
    assert call(1, CONTENT_LENGTH="3", **{"wsgi.input": io.BytesIO(b"abcdef")}) == ("200 OK", b"abc")


def test_a_stream_that_may_never_end_is_not_read():
    endless = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(b"abc")}
    assert call(5, **endless) == ("200 OK", b"")
