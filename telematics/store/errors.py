"""What can be wrong with the store, chosen by what the caller does next.

StoreError          catching it is always enough
├── StoreBusy       down, slow or full just now: wait, then do the same again
└── StoreRefused    the configuration is wrong: show the sentence to a person and stop
"""

from __future__ import annotations

import psycopg
from psycopg import errors


class StoreError(Exception):
    """Root of telematics.store: catching it is always enough."""


class StoreBusy(StoreError):
    """The database is down, slow or full just now. Nothing was stored that was not reported so; try again with the same."""


class StoreRefused(StoreError):
    """The database can't be used as it is configured. The message is one sentence for a person, and says what to do."""


DISK_FULL = "the database's disk is full: make room on it; what trackers send is kept back until then"

NO_SPACE = "No space left on device"

# The classes of errors that pass by themselves or by somebody's hand, and what to say of them; the first that fits.
_PASSING: tuple[tuple[type[psycopg.Error], str], ...] = (
    (errors.DiskFull, DISK_FULL),
    (errors.OutOfMemory, "the database is out of memory"),
    (errors.TooManyConnections, "the database takes no more connections: raise its max_connections"),
    (errors.QueryCanceled, "the database took too long to answer"),
    (errors.LockNotAvailable, "the database is held up by another program's lock"),
    (errors.ReadOnlySqlTransaction, "the database is read-only just now, such as a standby: point database_url at the primary"),
    (errors.CannotConnectNow, "the database is starting or stopping"),
    (errors.AdminShutdown, "the database closed the connection"),
    (errors.CrashShutdown, "the database crashed and is recovering"),
    (errors.IdleInTransactionSessionTimeout, "the database ended a transaction that stood still"),
    (errors.DeadlockDetected, "the database broke a deadlock"),
    (errors.SerializationFailure, "the database asks for another try"),
    (errors.IoError, "the database can't read or write its disk: look into its log"),
    (psycopg.OperationalError, "the database can't be reached"),
    (psycopg.InterfaceError, "the connection to the database is lost"),
)

_LASTING: tuple[tuple[type[psycopg.Error], str], ...] = (
    (errors.InvalidPassword, "the database refused the password: correct it in database_url"),
    (errors.InvalidAuthorizationSpecification, "the database refused the user: correct database_url, or add the user to it"),
    (errors.InvalidCatalogName, "the database does not exist: create it (createdb), or correct database_url"),
    (errors.InsufficientPrivilege, "the database user may not do what is needed: make it the owner of the database"),
)
_LASTING_WORDS = (  # libpq reports a refused login without a code; the words are the server's, in English by our lc_messages
    ("password authentication failed", "the database refused the password: correct it in database_url"),
    ("no password supplied", "the database asks for a password: add it to database_url"),
    ("no pg_hba.conf entry", "the database does not let this machine in: add it to the database's pg_hba.conf"),
    ("does not exist", "the database or its user does not exist: create it (createdb), or correct database_url"),
    ("permission denied for database", "the user may not enter the database: grant it CONNECT, or correct database_url"),
)


def translate(error: psycopg.Error) -> StoreError | None:
    """The store's word for what the driver raised; None for what no weather explains, a mistake in our own queries."""
    for kind, sentence in _LASTING:
        if isinstance(error, kind):
            return StoreRefused(f"{sentence} ({_said(error)})")
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        if NO_SPACE in str(error):  # met while the connection was made
            return StoreBusy(f"{DISK_FULL} ({_said(error)})")
        for words, sentence in _LASTING_WORDS:
            if words in str(error):
                return StoreRefused(f"{sentence} ({_said(error)})")
    for kind, sentence in _PASSING:
        if isinstance(error, kind):
            return StoreBusy(f"{sentence} ({_said(error)})")
    return None


def _said(error: BaseException) -> str:
    """The first line of the driver's words; they never hold the password."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
