"""Heads that are put together in the short way say what h11 would have said, and nothing that it would not."""

from __future__ import annotations

import h11
import pytest

from service.answer_head import head_of

PLAIN = [
    (b"date", b"Sun, 22 Nov 2026 04:20:46 GMT"),
    (b"content-length", b"5"),
    (b"content-type", b"application/json"),
    (b"x-empty", b""),
    (b"set-cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
]


def asked(request: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> h11.Connection:
    """A server's connection that was asked something."""
    conn = h11.Connection(h11.SERVER)
    conn.receive_data(request)
    while conn.next_event() not in (h11.PAUSED, h11.NEED_DATA):
        if conn.their_state in (h11.DONE, h11.MUST_CLOSE):
            break
    return conn


def read(head: bytes, method: str = "GET") -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """What a client takes it for."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(head)
    event = client.next_event()
    assert type(event) is h11.Response
    return event.status_code, event.reason, sorted(event.headers)


def long_way(conn: h11.Connection, status: int, headers: list[tuple[bytes, bytes]], reason: bytes) -> bytes:
    return conn.send(h11.Response(status_code=status, headers=headers, reason=reason))


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"OK"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404, b"Not Found"),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", 200, b"OK"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"OK"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 503, b"Service Unavailable"),
    ],
)
def test_a_head_is_the_one_of_the_long_way(request_, status, reason):
    """The same lines, in whatever order, and the connection stands where it would stand."""
    short, long = asked(request_), asked(request_)
    head = head_of(short, status, PLAIN)
    method = request_.partition(b" ")[0].decode()
    assert head is not None
    assert read(head, method) == read(long_way(long, status, PLAIN, reason), method)
    for conn in (short, long):
        conn.send(h11.Data(data=b"" if method == "HEAD" else b"12345"))
        conn.send(h11.EndOfMessage())
    assert (short.our_state, short.their_state) == (long.our_state, long.their_state)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_needs_no_length(status):
    head = head_of(asked(), status, PLAIN[:1])
    assert head is not None
    assert read(head)[0] == status
    assert b"content-length" not in head


@pytest.mark.parametrize(
    "headers",
    [
        [*PLAIN, (b"x-evil", b"1\r\nset-cookie: a=3")],
        [*PLAIN, (b"x-evil", b"1\nx")],
        [*PLAIN, (b"x-evil", b"\0")],
        [*PLAIN, (b"x-evil: 1\r\nx", b"2")],
        [*PLAIN, (b"x evil", b"2")],
        [*PLAIN, (b"", b"2")],
        [*PLAIN, (b"Content-Length", b"6")],
        [*PLAIN, (b"content-length", b"6")],
        [*PLAIN, (b"transfer-encoding", b"chunked")],
        [*PLAIN, (b"connection", b"close")],
        PLAIN[:1],
    ],
)
def test_what_is_not_plain_is_left_to_h11(headers):
    """And it has not noticed anything: it answers, or refuses, as if nobody had tried."""
    conn = asked()
    assert head_of(conn, 200, headers) is None
    assert conn.our_state is h11.SEND_RESPONSE
    assert long_way(conn, 200, PLAIN, b"OK").startswith(b"HTTP/1.1 200 OK\r\n")


def test_no_more_and_no_less_than_was_told_may_follow():
    """What counts the bytes of the body is still there."""
    conn = asked()
    assert head_of(conn, 200, PLAIN) is not None
    with pytest.raises(h11.LocalProtocolError):
        conn.send(h11.Data(data=b"123456"))
    short = asked()
    head_of(short, 200, PLAIN)
    short.send(h11.Data(data=b"1234"))
    with pytest.raises(h11.LocalProtocolError):
        short.send(h11.EndOfMessage())


def test_a_length_that_is_no_number_is_refused():
    with pytest.raises(h11.LocalProtocolError):
        head_of(asked(), 200, [(b"content-length", b"five")])
