"""The OpenAPI description at /api/schema: DRF's views describe themselves, the other doors are here."""

from typing import Any

_PROBLEM = {
    "description": "Problem details (RFC 9457)",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code", "request_id"],
                "properties": {
                    "type": {"type": "string", "format": "uri"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "request_id": {"type": "string", "format": "uuid"},
                },
            }
        }
    },
}
_OK = {
    "description": "Yes",
    "content": {
        "application/json": {"schema": {"type": "object", "properties": {"status": {"const": "ok"}}}},
    },
}


def _health(operation: str, description: str) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "description": description,
            "tags": ["health"],
            "security": [],
            "responses": {"200": _OK, "503": _PROBLEM},
        }
    }


_TOKEN = {
    "post": {
        "operationId": "token",
        "description": "An access token for a machine (RFC 6749, section 4.4). Scopes are system scopes of "
        "SMART App Launch 2.2; without `scope` the token has all that the machine may have.",
        "tags": ["token"],
        "security": [{"client": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["grant_type"],
                        "properties": {
                            "grant_type": {"const": "client_credentials"},
                            "scope": {"type": "string", "example": "system/Observation.rs"},
                        },
                    }
                }
            },
        },
        "responses": {
            "200": {
                "description": "A token",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["access_token", "token_type", "expires_in", "scope"],
                            "properties": {
                                "access_token": {"type": "string"},
                                "token_type": {"const": "Bearer"},
                                "expires_in": {"type": "integer", "description": "seconds"},
                                "scope": {"type": "string"},
                            },
                        }
                    }
                },
            },
            "400": {"description": "An error of RFC 6749, section 5.2: invalid_request, invalid_scope ..."},
            "401": {"description": "invalid_client"},
            "429": _PROBLEM,
        },
    }
}


def describe_other_doors(result: dict[str, Any], generator: object, **kwargs: object) -> dict[str, Any]:
    """Post-processing hook of drf-spectacular."""
    result.setdefault("paths", {}).update(
        {
            "/o/token": _TOKEN,
            "/healthz": _health("live", "The process answers."),
            "/readyz": _health("ready", "Records and vault can be reached."),
        }
    )
    result.setdefault("components", {}).setdefault("securitySchemes", {}).update(
        {"client": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}}
    )
    return result
