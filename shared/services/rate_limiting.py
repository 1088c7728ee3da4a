"""Rate limits: buckets in SQL that all workers share, tokens leased from them in batches."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from shared.domain.profiles import Caller
from shared.domain.rate_limits import Bucket, RateLimit, Standing
from shared.services.deps import Now, OpenUow

_LARGEST_SHARE: Final = 10
"""A batch is at most a tenth of the burst: small limits are counted one by one, exactly."""
_LEASE: Final = timedelta(seconds=30)
"""How long leased tokens may be used; what is left then is lost, never given twice."""
_CALLERS_KEPT: Final = 10_000


@dataclass(slots=True)
class _Lease:
    """What this worker holds of one bucket, and how the bucket was when it last looked."""

    lock: Lock = field(default_factory=Lock)
    bucket: Bucket | None = None
    tokens: int = 0
    size: int = 0
    ends_at: datetime | None = None


class RateLimiter:
    """Counts callers' requests. Safe for many threads; one a process.

    A caller's first request costs a small transaction. Who goes on asking is served from batches
    that grow from 1 to a tenth of the burst, so SQL is asked ever more seldom. A caller who is
    refused is refused from memory until a token can have come back.

    A limit that is not shared is counted in this worker's memory and costs no SQL at all.

    All workers together never give out more than a shared bucket held. A worker that takes a
    batch and does not use it keeps those tokens from the others for at most `_LEASE`.
    """

    def __init__(self, *, open_uow: OpenUow, now: Now) -> None:
        self._open_uow = open_uow
        self._now = now
        self._lock = Lock()
        self._leases: OrderedDict[tuple[str, str], _Lease] = OrderedDict()

    def take(self, caller: Caller, limit: RateLimit) -> Standing:
        """Take one token of the caller's if there is one; return how they stand.

        Raise TransientError when SQL is needed and does not answer.
        """
        key = _key(caller)
        lease = self._lease_of(key, limit)
        with lease.lock:
            now = self._now()
            if not limit.is_shared:
                bucket = lease.bucket or Bucket.full(limit, now=now)
                given, lease.bucket = bucket.take(1, limit, now=now)
                return _standing(limit, given, lease.bucket.tokens)
            if lease.ends_at is None or now >= lease.ends_at:
                lease.tokens = lease.size = 0
            if not lease.tokens and _may_hold(lease.bucket, limit, now):
                self._renew(lease, key, limit, now)
            given = min(1, lease.tokens)
            lease.tokens -= given
            left = 0.0 if lease.bucket is None else lease.bucket.refilled(limit, now=now).tokens
            return _standing(limit, given, left, held=lease.tokens)

    def _lease_of(self, key: str, limit: RateLimit) -> _Lease:
        with self._lock:
            lease = self._leases.setdefault((key, limit.name), _Lease())
            self._leases.move_to_end((key, limit.name))
            if len(self._leases) > _CALLERS_KEPT:
                self._leases.popitem(last=False)
            return lease

    def _renew(self, lease: _Lease, key: str, limit: RateLimit, now: datetime) -> None:
        wanted = min(lease.size * 2, limit.burst // _LARGEST_SHARE) or 1
        with self._open_uow() as uow:
            found = uow.rate_buckets.find(key, limit.name)
            bucket = Bucket.full(limit, now=now) if found is None else found
            given, bucket = bucket.take(wanted, limit, now=now)
            if given:
                store = uow.rate_buckets.add if found is None else uow.rate_buckets.save
                store(key, limit.name, bucket, now=now)
                uow.commit()
        lease.bucket, lease.tokens, lease.size = bucket, given, given
        lease.ends_at = now + _LEASE


def _standing(limit: RateLimit, given: int, left: float, *, held: int = 0) -> Standing:
    """Return how a caller stands who was given a token or none; `left` are in the bucket."""
    if not given:
        wait = limit.seconds_for(1 - left)
        return Standing(limit=limit, is_allowed=False, remaining=0, retry_after=wait)
    return Standing(limit=limit, is_allowed=True, remaining=min(limit.burst, held + int(left)))


def _may_hold(bucket: Bucket | None, limit: RateLimit, now: datetime) -> bool:
    """Return whether a token can be there: others may have taken it, nobody puts one in."""
    return bucket is None or bucket.refilled(limit, now=now).tokens >= 1


def _key(caller: Caller) -> str:
    """Return what stands for the caller: of a fixed length, and nobody's name."""
    return hashlib.sha256(f"{caller.issuer}\n{caller.subject}".encode()).hexdigest()
