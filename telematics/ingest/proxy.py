"""The PROXY protocol's header, by which a balancer says who is really calling. Pure: bytes in, an address out.

The parsing is the library's (proxy-protocol), which takes bytes that end where the header ends. As the header's length only
shows while it is read, we ask it after each piece how much more it wants, and read just that, so that the tracker's own first
bytes stay in the socket. A v1 header is read byte by byte after its first eight: a hundred small reads, once per connection.

Source  "The PROXY protocol", versions 1 and 2, haproxy.org/download/3.0/doc/proxy-protocol.txt, 2.1 and 2.2
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from proxyprotocol import ProxyProtocolIncompleteError
from proxyprotocol.detect import ProxyProtocolDetect
from proxyprotocol.result import is_ipv4, is_ipv6

SIGNATURE_BYTES = 8  # by which the library tells the versions apart
LARGEST_V1_BYTES = 107  # the longest line that the document allows
LARGEST_V2_BYTES = 2048  # 16, two addresses, and what balancers add: certificate names, ids; the document allows 64 KiB
PARSER = ProxyProtocolDetect()


class BadHeader(ValueError):
    """No PROXY header, or not one we take: hang up."""


@dataclass(frozen=True, slots=True)
class Header:
    source: tuple[str, int] | None  # host and port; None: the balancer speaks for itself, or doesn't know


class HeaderReader:
    """One connection's header. Feed at most `wanted` bytes at a time."""

    __slots__ = ("_read", "wanted")

    def __init__(self) -> None:
        self._read = b""
        self.wanted = SIGNATURE_BYTES

    def feed(self, data: bytes) -> Header | None:
        """The header, once it is whole. Raises BadHeader."""
        self._read += data
        try:
            result = PARSER.unpack(self._read)
        except ProxyProtocolIncompleteError as incomplete:
            self.wanted = incomplete.want_read.want_bytes or 1  # None: up to the end of the line
        except (ValueError, struct.error) as error:  # the latter for a v2 header too short for its addresses
            raise BadHeader(str(error)) from error
        else:
            if is_ipv4(result) or is_ipv6(result):
                return Header((str(result.source[0]), result.source[1]))
            return Header(None)
        largest = LARGEST_V1_BYTES if self._read.startswith(b"PROXY") else LARGEST_V2_BYTES
        if len(self._read) + self.wanted > largest:
            raise BadHeader(f"longer than {largest} bytes")
        return None
