"""`application/vnd.kubernetes.protobuf`: bodies of typed Go clients (kubectl from 1.32 on) <-> plain JSON values.

Reads the table `fields.json` on first use; does no other I/O. Refuses malformed bytes and kinds it has no row for, with
BadRequest. See README.md.
"""

from __future__ import annotations

from .decode import decode
from .encode import encode

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

__all__ = ["MEDIA_TYPE", "decode", "encode"]
