"""The connection that a thread keeps between requests."""

import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _kept_connection() -> Iterator[None]:
    given = connection.settings_dict
    before = {name: given[name] for name in ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS")}
    given.update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
    connection.close()
    yield
    given.update(before)
    connection.close()


def backend_of_one_request() -> int:
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        number: int = cursor.fetchone()[0]
    close_old_connections()
    return number


def test_a_thread_keeps_its_connection_and_asks_the_server_nothing_more():
    first = backend_of_one_request()
    with CaptureQueriesContext(connection) as queries:
        assert backend_of_one_request() == first
    assert [q["sql"] for q in queries] == ["SELECT pg_backend_pid()"]
    assert connection.is_usable()


def test_a_connection_that_the_server_ended_is_noticed_before_it_is_used():
    ended = backend_of_one_request()
    with psycopg.connect(connection.connection.info.dsn, password=connection.settings_dict["PASSWORD"]) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [ended])
    for _ in range(100):
        if not connection.is_usable():
            break
        time.sleep(0.02)
    assert backend_of_one_request() != ended


def test_a_connection_that_was_closed_here_is_not_usable():
    backend_of_one_request()
    connection.connection.close()
    assert not connection.is_usable()
    assert backend_of_one_request()
