"""Connections: what holds for each session, and PostgreSQL's errors in the catalogue's words."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event

import psycopg
from psycopg import errors

from remit.adapters.postgres.address import StoreAddress
from remit.errors import InvalidInput, StoreCorrupted, StoreUnreachable

# A connection that is lost is found out and told here; the client's own lines about it would only repeat that.
logging.getLogger("psycopg").setLevel(logging.ERROR)

#: How long a server may be away before the caller is told: the pauses between tries, half a minute in all.
PAUSES_SECONDS = (0.1, 0.2, 0.5, *(1.0,) * 29)
#: How long a reading statement may take.
READ_SECONDS = 30
#: A process that stands still inside a transaction loses it after this time ...
IDLE_SECONDS = 10
#: ... so that whoever waits for its lock gets it.
LOCK_SECONDS = 15

#: What a server says that just starts, stops or became a standby, or that has ended a session.
_AWAY = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
)
_RIGHTS_HINT = (
    "The first start on a database makes the schema `remit`: give the role CREATE on the database for it, and USAGE, "
    "SELECT, INSERT, UPDATE and DELETE on what is there from then on."
)
_DOWN_HINT = "Check that the server runs, takes connections from here, and has room on its disk."
_PASSWORD_HINT = "Give the password in PGPASSWORD, a .pgpass file, or the address in REMIT_STORE."  # noqa: S105 -- advice, no password


def connect(address: StoreAddress, tenant: str, *, writes: bool) -> psycopg.Connection:
    """A session of one tenant, in autocommit.

    Raises:
        psycopg.OperationalError: the server does not answer, or does not let this role in.
    """
    connection = psycopg.connect(**address.given, autocommit=True)  # type: ignore[arg-type]  # libpq's options are all text
    try:
        with connection.pipeline():
            # A COMMIT that waits for a standby must not be cancelled: it would be durable on this server alone.
            _set(connection, "statement_timeout", f"{0 if writes else READ_SECONDS}s")
            _set(connection, "lock_timeout", f"{LOCK_SECONDS}s")
            _set(connection, "idle_in_transaction_session_timeout", f"{IDLE_SECONDS}s")
            _set(connection, "search_path", "remit")
            _set(connection, "remit.tenant", tenant)
            # Durable means durable; where the server waits for standbys as well, it goes on doing so.
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false) "
                "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
    except BaseException:
        connection.close()
        raise
    return connection


def _set(connection: psycopg.Connection, name: str, value: str) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", (name, value))


@contextmanager
def translated(address: StoreAddress) -> Iterator[None]:
    """Raise PostgreSQL's errors as the catalogue's: what happened, where, never with a row's content or a password."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise StoreUnreachable(f"{address.shown}: {_said(error)}.", hint=_RIGHTS_HINT) from error
    except errors.QueryCanceled as error:
        raise StoreUnreachable(
            f"{address.shown}: a statement took too long and was cancelled.",
            hint="Look for what holds the server up, or for a short statement_timeout; nothing was written.",
        ) from error
    except errors.LockNotAvailable as error:
        raise StoreUnreachable(
            f"{address.shown}: another process held the record for more than {LOCK_SECONDS} seconds.",
            hint="Look in pg_stat_activity for a session that stands still; nothing was written.",
        ) from error
    except psycopg.DataError as error:
        # What a caller put into a name: text with a zero byte, a number beyond 64 bits.
        raise InvalidInput(f"The store cannot hold this value: {_said(error)}.") from error
    except (psycopg.OperationalError, *_AWAY) as error:
        raise StoreUnreachable(f"{address.shown}: {_said(error)}.", hint=_hint(error)) from error
    except psycopg.Error as error:
        raise StoreCorrupted(f"{address.shown}: {_said(error)}.") from error


class Away:
    """A server that is away for a while, in a restart or a failover: how often it is tried again, and when not."""

    def __init__(self) -> None:
        #: Set when nobody waits any more.
        self.over = Event()

    def pauses(self) -> Iterator[tuple[bool, Callable[[], object]]]:
        """For each try, whether it is the last one, and how to wait before the next."""
        for seconds in PAUSES_SECONDS:
            yield self.over.is_set(), partial(self.over.wait, seconds)
        yield True, lambda: None

    @staticmethod
    def means(error: psycopg.Error, connection: psycopg.Connection | None) -> bool:
        """True where the error says so, and another try may help."""
        return _lost(connection, error) and not _refused(error)


def _lost(connection: psycopg.Connection | None, error: psycopg.Error) -> bool:
    """True where the error is the loss of the connection, or a server that just starts, stops or became a standby."""
    if connection is None:
        return isinstance(error, psycopg.OperationalError)
    return connection.closed or isinstance(error, _AWAY)


def _refused(error: BaseException) -> bool:
    """True where trying again does not help: a wrong password, an unknown role or database."""
    return (
        "authentication failed" in str(error) or "no password supplied" in str(error) or "does not exist" in str(error)
    )


def _hint(error: psycopg.Error) -> str:
    return _PASSWORD_HINT if "password" in str(error) else _DOWN_HINT


def _said(error: psycopg.Error) -> str:
    """The first line of what was said; the lines after it may quote rows."""
    said = error.diag.message_primary or str(error).strip()
    return said.split("\n", 1)[0].rstrip(".")
