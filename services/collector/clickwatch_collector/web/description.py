"""The API's description (OpenAPI 3.1)."""

from typing import Any

from clickwatch_events.limits import MAX_TEXT_BYTES, Whole
from clickwatch_events.shop_event import SHOP_LIMITS, ShopEventType

from clickwatch_collector.web.rates import MOST_EVENTS

_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_BYTES}
_ID = {"oneOf": [_TEXT, {"type": "integer"}]}


def description() -> dict[str, Any]:
    """Return the document; JSON Schema has values of any type, hence Any."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clickwatch collector",
            "version": "1",
            "description": "Shop events in; each is answered once it is in Kafka or safe on the disk.",
        },
        "security": [{"bearer": []}, {"writeKey": []}, {"key": []}],
        "paths": {
            "/v1/events": _door("Events in clickwatch's own words", "Events"),
            "/v1/track": _door("Segment: one event", "Segment"),
            "/v1/page": _door("Segment: a page", "Segment"),
            "/v1/identify": _door("Segment: who it is; makes no event", "Segment"),
            "/v1/batch": _door("Segment: several of them", "Segment"),
            "/mp/collect": _door("GA4's Measurement Protocol", "Ga4"),
            "/clickwatch.js": _page("The tracker for pages"),
            "/health": _page("Whether events can be taken: 200, or 503"),
            "/openapi.json": _page("This description"),
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "writeKey": {"type": "http", "scheme": "basic", "description": "The key as user, no password."},
                "key": {"type": "apiKey", "in": "query", "name": "key"},
            },
            "schemas": {"Event": _event(), "Events": _events(), "Segment": _any(), "Ga4": _any(), "Answer": _answer()},
        },
    }


def _door(summary: str, schema: str) -> dict[str, Any]:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}}
    return {
        "post": {
            "summary": summary,
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
            },
            "responses": {
                "200": {"description": "Each event has its verdict; the accepted ones are stored", **answer},
                "400": {"description": "No JSON, or (Segment) every event is refused"},
                "401": {"description": "The key is missing or unknown"},
                "403": {"description": "The page's origin is not among the key's"},
                "408": {"description": "The body took too long"},
                "413": {"description": f"More than a million bytes, or more than {MOST_EVENTS} events"},
                "415": {"description": "Packed in another way than gzip"},
                "422": {"description": "Every event is refused", **answer},
                "429": {"description": "Too many events a second; see Retry-After"},
                "503": {"description": "Nothing can be stored now; see Retry-After"},
            },
        }
    }


def _page(summary: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "security": [], "responses": {"200": {"description": "It"}}}}


def _event() -> dict[str, Any]:
    kinds = [kind.value for kind in ShopEventType if kind is not ShopEventType.UNKNOWN]
    return {
        "type": "object",
        "required": ["event_type", "product_id"],
        "properties": {
            "event_id": {**_TEXT, "description": "Your id of the event; a retry with it counts once."},
            "event_type": {"enum": kinds},
            "timestamp": {"type": "string", "description": "ISO-8601; required beside event_id, else now."},
            "user_id": _ID,
            "anonymous_id": _ID,
            "product_id": _ID,
            "product_category": _TEXT,
            "session_id": _ID,
            "price_minor": _whole("price_minor"),
            "price": {"type": "number", "description": "In major units, instead of price_minor."},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "order_id": _ID,
            "quantity": _whole("quantity"),
            "coupon": _TEXT,
            "list_id": _ID,
            "source": {"enum": ["server", "import"]},
            "user_agent": {"type": "string", "description": "Of the browser, where a server sends; marks bots."},
        },
    }


def _whole(field: str) -> dict[str, Any]:
    limit = SHOP_LIMITS[field]
    assert isinstance(limit, Whole)
    return {"type": "integer", "minimum": limit.least, "maximum": limit.most}


def _events() -> dict[str, Any]:
    event = {"$ref": "#/components/schemas/Event"}
    several = {"type": "array", "items": event, "maxItems": MOST_EVENTS}
    return {"oneOf": [event, several, {"type": "object", "required": ["events"], "properties": {"events": several}}]}


def _any() -> dict[str, Any]:
    return {"type": "object", "description": "As the vendor documents it."}


def _answer() -> dict[str, Any]:
    verdict = {
        "type": "object",
        "properties": {
            "index": {"type": "integer"},
            "verdict": {"enum": ["accepted", "refused", "ignored"]},
            "event_id": {"type": "string", "format": "uuid"},
            "field": {"type": "string"},
            "rule": {"type": "string"},
            "message": {"type": "string"},
        },
    }
    counts = {name: {"type": "integer"} for name in ("accepted", "refused", "ignored")}
    return {
        "type": "object",
        "properties": {
            "success": {"type": "boolean"},
            **counts,
            "verdicts": {"type": "array", "items": verdict},
        },
    }
