"""Which hosts an outgoing call may reach.

A customer gives some of the addresses we call. Without a guard, such an address could point at
our own network or at the platform's metadata service, and the answer would leak through an error
message or a preview.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from shared.errors import PermanentError, TransientError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]

_NEVER = tuple(
    ipaddress.ip_network(block)
    for block in (
        "169.254.0.0/16",  # link-local: metadata and identity endpoints of the clouds
        "fe80::/10",
        "fd00:ec2::/32",  # AWS metadata over IPv6
        "168.63.129.16/32",  # Azure's host endpoint, a public address by its looks
        "100.100.100.200/32",  # Alibaba metadata
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/4",
        "ff00::/8",
        "240.0.0.0/4",
    )
)
"""Refused even where private hosts are allowed: no provider lives there."""

_NOT_PUBLIC = tuple(
    ipaddress.ip_network(block)
    for block in (
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "::/96",  # IPv4-compatible, given up by RFC 4291
        "64:ff9b:1::/48",  # local-use NAT64, RFC 8215
        "fec0::/10",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_url(url: str, *, allow_private_hosts: bool) -> None:
    """Return where `url` may be a base URL; raise PermanentError saying what is wrong with it.

    It must be https (http only where private hosts are allowed) with a host and nothing but a
    path behind it. Its host is not resolved here: that happens, and counts, at connection time.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise PermanentError(
            "The URL cannot be read: give it as https://host, as the provider shows it."
        ) from None
    schemes = {"https", "http"} if allow_private_hosts else {"https"}
    if parts.scheme not in schemes or not host:
        raise PermanentError("The URL must start with https:// and name a host.")
    if parts.username is not None or parts.password is not None:
        raise PermanentError("The URL must hold no user name or password.")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise PermanentError("The URL must end with its path: no ? and no #.")


def read_networks(text: str) -> Sequence[Network]:
    """Return the networks of a list such as `10.20.0.0/16, 192.168.4.0/24`.

    Raise PermanentError for what is none, or has host bits set.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise PermanentError(
            "A list of networks is written in CIDR form, such as 10.20.0.0/16, 192.168.4.0/24."
        ) from None


def is_allowed(
    address: str, *, allow_private_hosts: bool, networks: Sequence[Network] = ()
) -> bool:
    """Return whether a resolved IP address may be connected to.

    `networks` are private ones that an operator has opened; what is never allowed is not there
    either.
    """
    ip = _unwrap(ipaddress.ip_address(address.partition("%")[0]))
    if _is_in(ip, _NEVER):
        return False
    if allow_private_hosts or _is_in(ip, networks):
        return True
    return ip.is_global and not ip.is_multicast and not _is_in(ip, _NOT_PUBLIC)


def resolve_allowed(
    host: str, port: int, *, allow_private_hosts: bool, resolve: Resolve | None = None
) -> Sequence[str]:
    """Return the IP addresses of `host`, all of them allowed.

    Raise PermanentError where any of them is not (a name with a public and a private address is a
    trick, not a provider), TransientError where the name cannot be resolved now.
    """
    addresses = (resolve or system_resolve)(host, port)
    for address in addresses:
        if not is_allowed(address, allow_private_hosts=allow_private_hosts):
            raise PermanentError(
                f"{host} is at an address that is not open to calls from here: private, local and "
                "platform addresses are refused. Give the provider's public address."
            )
    return addresses


def system_resolve(host: str, port: int) -> Sequence[str]:
    """Return what the system's resolver says; raise TransientError where it says nothing."""
    try:
        found: list[Any] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise TransientError(
            f"The host {host} cannot be found; check the address, or try again later."
        ) from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _unwrap(ip: IPAddress) -> IPAddress:
    """Return the IPv4 address an IPv6 one stands for, else the address itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    teredo = ip.teredo[1] if ip.teredo else None
    return ip.ipv4_mapped or ip.sixtofour or teredo or ip


def _is_in(ip: IPAddress, networks: Sequence[Any]) -> bool:
    return any(ip.version == network.version and ip in network for network in networks)
