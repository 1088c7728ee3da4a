"""Every error of the product, grouped by what the caller does next.

IntegratorError
├── SyncError                    raised while a sync runs; the run decides by class
│   ├── TransientError           try again later, at the earliest after `retry_after` seconds
│   ├── AuthError                the credentials do not work: a person must reconnect
│   ├── PermanentError           trying again cannot help: the job fails now
│   ├── RecordError              this one record cannot be synced; the page goes on
│   ├── ApprovalNeededError      the job waits until a person approves or rejects what it would do
│   └── LeaseLostError           another run owns the job: stop, write nothing more
└── RequestError                 a caller asked for something that cannot be done
    ├── InvalidInputError        the request itself is wrong (400)
    ├── UnauthenticatedError     no valid token (401)
    ├── ForbiddenError           a valid token without the needed role (403)
    ├── NotFoundError            no such thing, or not this caller's (404)
    ├── ConflictError            the thing's present state forbids it (409)
    ├── PreconditionError        it is not as the caller last saw it (412)
    ├── TooLargeError            the body is over the limit (413)
    └── TooManyRequestsError     the caller asks faster than allowed (429)

A message is shown to people: it says what is wrong and what to do, and never holds a secret.
Any other exception that reaches a trigger is a bug.
"""

from __future__ import annotations


class IntegratorError(Exception):
    """Base of every error the product raises on purpose."""

    kind = "error"

    @property
    def message(self) -> str:
        """The text a person sees."""
        return str(self)


class SyncError(IntegratorError):
    """Something went wrong while a sync ran."""


class TransientError(SyncError):
    """The other side cannot answer now; `retry_after` is its own wish in seconds, if it had one.

    `is_outage` is False where nothing is wrong with it: it asked us to wait, or we do so for it.
    """

    kind = "transient"

    def __init__(
        self, message: str, *, retry_after: float | None = None, is_outage: bool = True
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_outage = is_outage


class ReadAgainError(TransientError):
    """What was written since the checkpoint that counts is gone, and another way is taken now: the
    same run may go on from there at once.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, is_outage=False)


class AuthError(SyncError):
    """The provider refuses the credentials or the rights they carry."""

    kind = "auth"


class PermanentError(SyncError):
    """The same request would fail again: input or set-up must change first."""

    kind = "permanent"


class DestinationError(PermanentError):
    """A customer's warehouse refuses its login, or what the login may do: nothing is wrong with the
    provider or the data.
    """

    kind = "destination"


class RecordError(SyncError):
    """One record cannot be synced; `field` names the part at fault ('' for the whole record)."""

    kind = "record"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ApprovalNeededError(SyncError):
    """What the job is about to do is unusual enough to ask a person first; nothing of it is done.

    The message says how much would be deleted or lost, `deletes` how many records the job would
    have deleted in all (0 where the question is another one). The job waits in `waiting_approval`;
    once approved it goes on from its checkpoint, and is asked again where it comes to delete more.
    """

    kind = "approval_needed"

    def __init__(self, message: str, *, deletes: int = 0) -> None:
        super().__init__(message)
        self.deletes = deletes


class LeaseLostError(SyncError):
    """The job's lease ran out or was taken; this run must stop and write nothing more."""

    kind = "lease_lost"


class RequestError(IntegratorError):
    """A caller's request cannot be served; `status` is its HTTP status."""

    status = 400
    kind = "invalid-request"


class InvalidInputError(RequestError):
    """The request is malformed; `errors` lists (location, message) pairs where known."""

    kind = "invalid-input"

    def __init__(self, message: str, *, errors: list[tuple[str, str]] | None = None) -> None:
        super().__init__(message)
        self.errors = errors or []


class UnauthenticatedError(RequestError):
    """No token, or one that is not valid here."""

    status = 401
    kind = "unauthenticated"


class ForbiddenError(RequestError):
    """The caller is known but lacks the role this route needs."""

    status = 403
    kind = "forbidden"


class NotFoundError(RequestError):
    """There is no such thing, or it belongs to another profile (which looks the same)."""

    status = 404
    kind = "not-found"


class ConflictError(RequestError):
    """The thing exists but its present state forbids the request."""

    status = 409
    kind = "conflict"


class PreconditionError(RequestError):
    """The thing has changed since the version the caller named with `If-Match`."""

    status = 412
    kind = "precondition-failed"


class TooLargeError(RequestError):
    """The body is larger than the API takes."""

    status = 413
    kind = "too-large"


class TooManyRequestsError(RequestError):
    """The caller asks faster than the rate limit allows; `Retry-After` says when to come back."""

    status = 429
    kind = "too-many-requests"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
