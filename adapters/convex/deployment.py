"""Which deployment a person means: its URL and its deploy key, checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from shared.errors import AuthError, PermanentError

_HOW_TO_GET_A_KEY = (
    "Make a deploy key in the deployment's settings on the Convex dashboard and connect with it."
)
_TYPES = frozenset({"prod", "dev", "preview"})
_NAMELESS_TYPES = frozenset({"project", "team"})


class Source(StrEnum):
    """How a deployment is read. SYNC: data syncs, which need a Pro plan or an own back end.
    SNAPSHOT: snapshot exports, which every plan has. AUTO: data syncs where there are any.
    """

    AUTO = "auto"
    SYNC = "sync"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A deployment of the cloud or a self-hosted back end. `url` ends without a slash."""

    url: str
    name: str
    source: Source
    key: str = field(repr=False)

    @property
    def host(self) -> str:
        """The URL's host, with its port where it has one."""
        return urlsplit(self.url).netloc


def read_deployment(*, url: str, key: str, source: str = "") -> Deployment:
    """Return the deployment; raise PermanentError for URL and source, AuthError for the key.

    `source` '' is `auto`.
    """
    url = _checked_url(url.strip())
    name = _deployment_name(key)
    host = urlsplit(url).hostname or ""
    in_cloud = host.endswith(".convex.cloud")
    if in_cloud and host.partition(".")[0] != name:
        raise AuthError(
            f"The deploy key belongs to the deployment {name!a}, the URL to "
            f"{host.partition('.')[0]!a}: give the two of the same deployment."
        )
    return Deployment(url=url, name=name, key=key, source=_read_source(source.strip()))


def _read_source(text: str) -> Source:
    try:
        return Source(text or Source.AUTO)
    except ValueError:
        raise PermanentError(f"The source must be one of {', '.join(Source)}.") from None


def _checked_url(url: str) -> str:
    """Return the URL without its last slash. Schemes and addresses are the egress guard's."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host:
        raise PermanentError(
            "The deployment URL cannot be read: give it as https://<name>.convex.cloud, as the "
            "Convex dashboard shows it."
        )
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise PermanentError(
            "The deployment URL must be the bare address, https://<name>.convex.cloud: no path, "
            "no ?, no # and no user name."
        )
    if host.endswith(".convex.site"):
        raise PermanentError(
            "The deployment URL ends in .convex.site, which serves HTTP actions: give the one that "
            "ends in .convex.cloud."
        )
    return f"{parts.scheme}://{parts.netloc}"


def _deployment_name(key: str) -> str:
    """Return the deployment a key names: `prod:name|secret`, `dev:…`, `preview:…` or, where the
    back end is self-hosted, `name|secret`.
    """
    front, bar, secret = key.partition("|")
    kind, colon, name = front.rpartition(":")
    if not bar or not secret or not name or not key.isascii() or not key.isprintable():
        raise AuthError(f"This is not a Convex deploy key (prod:name|...). {_HOW_TO_GET_A_KEY}")
    if kind.split(":")[0] in _NAMELESS_TYPES or ":" in kind:
        raise AuthError(f"This key is for a project or team, not a deployment. {_HOW_TO_GET_A_KEY}")
    if colon and kind not in _TYPES:
        raise AuthError(f"This key is of an unknown type, {kind!a}. {_HOW_TO_GET_A_KEY}")
    return name
