"""REST services by their OpenAPI description, 3.0 or 3.1: one tool for each operation."""

from remit.adapters.openapi.transport import OpenApiTransport

__all__ = ["OpenApiTransport"]
