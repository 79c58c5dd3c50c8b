"""Which addresses of the internet belong to everybody: where users may send the server, and where not."""

from __future__ import annotations

import ipaddress

NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in its last four bytes, RFC 6052


def is_public(address: str) -> bool:
    """Neither this machine, nor its networks, nor what only looks like another address. Anything that isn't one: no."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if hidden is None and found in NAT64:
            hidden = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if hidden is not None:
            return is_public(str(hidden))
        if found.is_site_local:  # fec0::/10, given up by RFC 3879, and still somebody's own network
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved and not found.is_unspecified
