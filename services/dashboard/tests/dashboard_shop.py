"""A shop in the tables, made by SQL: days with a weekly rhythm, alerts, and what streaming says."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg

CATEGORIES = ("smartphones", "laptops", "tablets", "headphones", "smartwatches", "cameras", "gaming", "accessories")


def yesterday() -> date:
    """The last whole UTC day."""
    return datetime.now(UTC).date() - timedelta(days=1)


def open_shop(
    url: str,
    days: int = 30,
    products: int = 60,
    users: int = 500,
    alerts: int = 24,
    active: int = 6,
    at_once: int = 4,
    windows: int = 60,
) -> None:
    """Fill the tables of an empty database.

    Args:
        url: the database, as its owner.
        days: how many there are, the last is yesterday.
        products: of each day.
        users: of each day.
        alerts: how many there are, the newest windows first.
        active: how many of them are active.
        at_once: how many are of one window.
        windows: closed windows of each product.
    """
    last = yesterday()
    values = {
        "first": last - timedelta(days=days - 1),
        "last": last,
        "products": products,
        "scale": max(1.0, products / 100),
        "users": users,
        "alerts": alerts,
        "active": active,
        "at_once": at_once,
        "windows": windows,
        "categories": list(CATEGORIES),
        "now": datetime.now(UTC),
    }
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute((Path(__file__).parent / "dashboard_shop.sql").read_text("utf-8"), values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def raise_alert(connection: psycopg.Connection[object], product: str, views: int = 150, status: str = "active") -> None:
    """Insert an alert of the window that is open now, or change it."""
    connection.execute(
        """
        INSERT INTO flash_sale_alerts
        VALUES (%(product)s, date_bin('5 minutes', now(), '2000-01-01Z'), date_bin('5 minutes', now(), '2000-01-01Z')
                + interval '10 minutes', 'gaming', %(views)s, 1, %(status)s, now(), now())
            ON CONFLICT (product_id, window_start) DO UPDATE
           SET views = excluded.views, status = excluded.status, updated_at = excluded.updated_at
        """,
        {"product": product, "views": views, "status": status},
    )
    connection.commit()
