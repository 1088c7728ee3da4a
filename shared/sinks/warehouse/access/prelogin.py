"""The first words of TDS: whether SQL Server answers, and with which certificate.

Only what [MS-TDS] 2.2.6.5 (PRELOGIN) and 3.2.5.1 (TLS inside its packets) say; nothing is sent
that identifies anybody.
"""

from __future__ import annotations

import socket
import ssl
import struct
import time
from typing import Final

PRELOGIN: Final = 0x12
RESPONSE: Final = 0x04
END_OF_MESSAGE: Final = 0x01
HEADER: Final = struct.Struct(">BBHHBB")
"""Type, status, length with the header, process id, packet number, window."""
ENCRYPTION: Final = 1
ENCRYPT_ON: Final = 1
ENCRYPT_NOT_SUPPORTED: Final = 2
_TERMINATOR: Final = 0xFF
_OPTION: Final = struct.Struct(">BHH")
_PAYLOAD: Final = 4088
_LONGEST_MESSAGE: Final = 128 * 1024
"""Certificate chains are a few thousand bytes; a peer that sends more is not what we look for."""
_READ: Final = 64 * 1024


class NotSqlServerError(Exception):
    """Whatever answers does not speak TDS."""


class NoEncryptionError(Exception):
    """The server speaks TDS, but only in clear."""


class TdsSocket:
    """TDS packets over a connected socket, all of them before one deadline."""

    def __init__(self, connected: socket.socket, *, seconds: float) -> None:
        self._socket = connected
        self._ends_at = time.monotonic() + seconds

    def send(self, payload: bytes) -> None:
        """Send one message of type PRELOGIN, in as many packets as it takes."""
        parts = [payload[i : i + _PAYLOAD] for i in range(0, len(payload), _PAYLOAD)] or [b""]
        for number, part in enumerate(parts, start=1):
            status = END_OF_MESSAGE if number == len(parts) else 0
            length = HEADER.size + len(part)
            header = HEADER.pack(PRELOGIN, status, length, 0, number % 256, 0)
            self._socket.settimeout(self._left())
            self._socket.sendall(header + part)

    def receive(self) -> bytes:
        """Return the next message's payload; NotSqlServerError where it is none."""
        found = bytearray()
        while True:
            kind, status, length, *_ = HEADER.unpack(self._read(HEADER.size))
            if kind not in {PRELOGIN, RESPONSE} or length < HEADER.size:
                raise NotSqlServerError
            found += self._read(length - HEADER.size)
            if status & END_OF_MESSAGE:
                return bytes(found)
            if len(found) > _LONGEST_MESSAGE:
                raise NotSqlServerError

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            self._socket.settimeout(self._left())
            part = self._socket.recv(min(count - len(found), _READ))
            if not part:
                raise NotSqlServerError
            found += part
        return found

    def _left(self) -> float:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def shake_hands(tds: TdsSocket, *, host: str, context: ssl.SSLContext) -> None:
    """Agree on encryption and on a certificate that `context` accepts for `host`.

    Raise NotSqlServerError, NoEncryptionError, ssl.SSLError (its subclass for the certificate),
    TimeoutError, or another OSError of the socket.
    """
    tds.send(_hello())
    if _encryption(tds.receive()) == ENCRYPT_NOT_SUPPORTED:
        raise NoEncryptionError
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = context.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            secured.do_handshake()
        except ssl.SSLWantReadError:
            tds.send(outgoing.read())
            incoming.write(tds.receive())
        else:
            if outgoing.pending:
                tds.send(outgoing.read())
            return


def _hello() -> bytes:
    """Return a PRELOGIN message with a version and the wish for encryption."""
    values = ((0, bytes(6)), (ENCRYPTION, bytes([ENCRYPT_ON])))
    offset = _OPTION.size * len(values) + 1
    head, data = b"", b""
    for token, value in values:
        head += _OPTION.pack(token, offset + len(data), len(value))
        data += value
    return head + bytes([_TERMINATOR]) + data


def _encryption(answer: bytes) -> int:
    """Return the server's ENCRYPTION option; NotSqlServerError where the answer has none."""
    position = 0
    while position + _OPTION.size <= len(answer) and answer[position] != _TERMINATOR:
        token, offset, length = _OPTION.unpack_from(answer, position)
        if token == ENCRYPTION and length == 1 and offset < len(answer):
            return int(answer[offset])
        position += _OPTION.size
    raise NotSqlServerError
