"""Fetch the next page while this one is written."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, contextmanager
from typing import NamedTuple

from shared.domain.changes import Page, joined

JOINED_BYTES = 4 * 1024 * 1024
"""Bytes of JSON beyond which pages are not joined, so that memory stays bounded."""

_POLL_SECONDS = 0.2


def coalesce(pages: Iterable[Page], size: int) -> Generator[Page]:
    """Yield the same changes in fewer pages, each of about `size` changes or more.

    A joined page has the checkpoint of its last part. Pages of large records are joined up to
    JOINED_BYTES only, and a page without changes, which says that a source is waiting, is not
    held back. What was read before an error is yielded before the error is raised, so nothing read
    is read again for nothing; nor is a page that can count joined with a part after it.
    """
    waiting: list[Page] = []
    count = held = 0
    try:
        for page in pages:
            if page.is_part and waiting and not waiting[-1].is_part:
                yield _joined(waiting)
                waiting, count, held = [], 0, 0
            waiting.append(page)
            count += len(page.changes)
            held += page.size
            if count >= size or held >= JOINED_BYTES or not page.changes:
                yield _joined(waiting)
                waiting, count, held = [], 0, 0
    except Exception:
        if waiting:
            yield _joined(waiting)
        raise
    if waiting:
        yield _joined(waiting)


def _joined(pages: list[Page]) -> Page:
    if len(pages) == 1:
        return pages[0]
    totals: dict[str, int] = {}
    for page in pages:
        totals.update(page.totals)
    return Page(
        changes=joined([page.changes for page in pages]),
        checkpoint=pages[-1].checkpoint,
        totals=totals,
        problems=[problem for page in pages for problem in page.problems],
        size=sum(page.size for page in pages),
        is_part=pages[-1].is_part,
        is_at_hand=pages[-1].is_at_hand,
    )


@contextmanager
def prefetched(source: Callable[[], Generator[Page]]) -> Generator[Generator[Page]]:
    """Run `source()` in a thread that stays one page in front of the reader: the next one is
    asked for when the last one was taken, or, if that one says that there is no waiting for it,
    when the reader wants it: two threads that both compute slow each other down.

    An exception of the source is raised in the reader after the pages before it. Leaving the block
    stops the thread and closes the source; both have ended when the block is left.
    """
    fetcher = _Fetcher(source)
    fetcher.start()
    try:
        yield fetcher.pages()
    finally:
        fetcher.stop()


class _End(NamedTuple):
    error: BaseException | None


class _Fetcher:
    def __init__(self, source: Callable[[], Generator[Page]]) -> None:
        self._source = source
        self._ready: queue.Queue[Page | _End] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self._taken = threading.Semaphore(0)
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._fetch,), name="prefetch", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._taken.release()
        self._thread.join()

    def pages(self) -> Generator[Page]:
        while not isinstance(ready := self._ready.get(), _End):
            if not ready.is_at_hand:
                self._taken.release()
            yield ready
            if ready.is_at_hand:
                self._taken.release()
        if ready.error is not None:
            raise ready.error

    def _fetch(self) -> None:
        try:
            with closing(self._source()) as pages:
                for page in pages:
                    if not self._offer(page):
                        return
                    del page  # so that two at most are held, the reader's and the next one
                    self._taken.acquire()
                    if self._stopped.is_set():
                        return
            self._offer(_End(None))
        except BaseException as error:  # noqa: BLE001  it belongs to the reader's thread
            self._offer(_End(error))

    def _offer(self, item: Page | _End) -> bool:
        """Hand one item over; return False once the reader has gone."""
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
