"""The proxy of the benchmark that delays like a network."""

import socket
import threading
import time

from benchmarks.delaying_proxy import DelayingProxy
from tests.support.processes import is_running

ROUND_TRIP_SECONDS = 0.1


def echo_once(listener: socket.socket) -> None:
    """Answer one client with what it sends, until it has sent everything."""
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(1000):
            connection.sendall(data)


def test_connecting_and_each_question_take_a_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=echo_once, args=(listener,), daemon=True).start()
        with DelayingProxy(listener.getsockname()[1], ROUND_TRIP_SECONDS) as proxy:
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                answers = []
                for _ in range(3):
                    client.sendall(b"question")
                    answers.append(client.recv(1000))
                client.shutdown(socket.SHUT_WR)
                end = client.recv(1000)
            taken = time.monotonic() - started
    assert (answers, end) == ([b"question"] * 3, b"")
    assert taken >= 5 * ROUND_TRIP_SECONDS  # connecting, three questions, and the end


def test_it_ends_with_its_block() -> None:
    with DelayingProxy(9, 0.0) as proxy:
        process_id = proxy.process_id
        assert is_running(process_id)
    assert not is_running(process_id)
