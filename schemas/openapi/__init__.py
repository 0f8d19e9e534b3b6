"""What the API looks like, for clients that read it: OpenAPI v3 by group and version, v2 as JSON and as protobuf.

Generated from KINDS alone; see README.md.
"""

from __future__ import annotations

from .documents import (
    Encoded,
    v2_document,
    v2_encoded,
    v2_gnostic,
    v2_gnostic_encoded,
    v3_document,
    v3_encoded,
    v3_index,
    v3_index_encoded,
)

V2_ACCEPT = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""How clients ask for `v2_gnostic` in Accept."""
V2_CONTENT_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""How it is answered: kubectl's MIME parser chokes on the @ of its own Accept."""

__all__ = ["V2_ACCEPT", "V2_CONTENT_TYPE", "Encoded", "v2_document", "v2_encoded", "v2_gnostic", "v2_gnostic_encoded",
           "v3_document", "v3_encoded", "v3_index", "v3_index_encoded"]
