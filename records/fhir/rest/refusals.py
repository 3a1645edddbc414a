"""Refusals of every kind as FHIR issues with an HTTP status."""

from typing import Final

import psycopg
from django.db import DatabaseError, DataError, InterfaceError, OperationalError

from consortium.members.keys import KeyRefusal
from records.access.errors import AccessRefusal, Busy
from records.fhir.outcome import FhirRefusal, Issue
from records.fhir.search import SearchError
from records.vault import VaultRefusal

# FHIR's issue types for the gate's refusals.
_ISSUE_TYPES = {
    "not-authenticated": "login",
    "not-permitted": "forbidden",
    "not-found": "not-found",
    "deleted": "deleted",
    "busy": "transient",
}


# What `issues_of` may have an answer for.
REFUSALS: Final = (FhirRefusal, SearchError, AccessRefusal, VaultRefusal, KeyRefusal, DatabaseError, InterfaceError)


def issues_of(error: Exception) -> tuple[int, tuple[Issue, ...]] | None:
    """Status and issues of a refusal; None for an exception that is a failure of ours."""
    if isinstance(error, FhirRefusal):
        return error.status, error.issues
    if isinstance(error, SearchError):
        place = f"http.{error.parameter}" if error.parameter else None
        return error.status, (Issue("error", error.issue_type, error.code, place, error.sentence),)
    if isinstance(error, AccessRefusal):
        return error.status, (Issue("error", _ISSUE_TYPES[error.code], error.code, None, error.sentence),)
    if isinstance(error, VaultRefusal):
        return 409, (Issue("error", "conflict", error.code, None, str(error)),)
    if isinstance(error, KeyRefusal):
        sentence = (
            "This node cannot log what it stores, so it stores nothing: its administrator has to look at its keys."
        )
        return 503, (Issue("fatal", "exception", error.code, None, sentence),)
    if isinstance(error, DatabaseError | InterfaceError):
        return _issues_of_database(error)
    return None


def _issues_of_database(error: DatabaseError | InterfaceError) -> tuple[int, tuple[Issue, ...]] | None:
    cause = error.__cause__
    if isinstance(error, DataError) or isinstance(cause, psycopg.DataError):
        sentence = "A value in the request is not one that can be stored or searched for: correct it and send it again."
        return 400, (Issue("error", "value", "value-not-storable", None, sentence),)
    if isinstance(cause, psycopg.errors.QueryCanceled):
        sentence = "The search took too long: narrow it by a patient, a date or a code."
        return 503, (Issue("error", "timeout", "too-slow", None, sentence),)
    if isinstance(cause, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
        return 503, (Issue("error", "transient", Busy.code, None, "Others are writing: wait a moment and try again."),)
    if isinstance(cause, psycopg.errors.ProgramLimitExceeded | psycopg.errors.StatementTooComplex):
        sentence = "The request asks for more than the database can do in one statement: send it in parts."
        return 400, (Issue("error", "too-costly", "too-complex", None, sentence),)
    if isinstance(error, OperationalError | InterfaceError):
        sentence = "This node's database does not answer at the moment: wait a little and send the request again."
        return 503, (Issue("fatal", "transient", "database-away", None, sentence),)
    return None
