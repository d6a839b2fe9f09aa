"""The JSON API, on a real database."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from dashboard_program import Dashboard
from dashboard_shop import yesterday

DAY = yesterday().isoformat()


def test_a_day_stands_beside_the_day_before_and_the_mean_of_seven(shop: Dashboard) -> None:
    with psycopg.connect(shop.database_url) as connection:
        events = [
            row[0]
            for row in connection.execute(
                "SELECT total_events FROM daily_summary ORDER BY report_date DESC LIMIT 8"
            ).fetchall()
        ]

    answer = shop.get(f"/api/days/{DAY}").json()

    assert answer["summary"]["total_events"] == events[0]
    assert answer["compared"]["total_events"] == {
        "value": events[0],
        "previous": events[1],
        "mean": pytest.approx(sum(events[1:]) / 7),
    }
    assert len(answer["trend"]) == 30
    rates = [category["conversion_rate"] for category in answer["categories"]]
    assert rates == sorted(rates, reverse=True)
    assert not answer["has_report"]


def test_a_day_that_was_not_analysed_says_how_to_do_it(shop: Dashboard) -> None:
    for path in ("/api/days/2001-02-03", "/api/days/2001-02-03/products.csv", "/api/days/2001-02-03/report.json"):
        answer = shop.get(path)

        assert answer.status_code == 404
        assert "batch run --date 2001-02-03" in answer.json()["detail"]


def test_every_page_of_a_list_together_is_the_list(shop: Dashboard) -> None:
    pages = [shop.get(f"/api/products?limit=25&offset={offset}").json() for offset in (0, 25, 50)]

    ranks = [product["rank"] for page in pages for product in page["products"]]
    assert ranks == list(range(1, 61))
    assert {(page["total"], page["day"]) for page in pages} == {(60, DAY)}


def test_products_are_found_by_a_part_of_their_id_whatever_its_letters(shop: Dashboard) -> None:
    found = shop.get("/api/products?search=T_2").json()

    assert {one["product_id"] for one in found["products"]} == {
        "product_2",
        *(f"product_{n}" for n in range(20, 30)),
    }
    assert found["total"] == 11
    assert shop.get("/api/products?search=%25").json()["total"] == 0


def test_alerts_are_narrowed_by_each_parameter(shop: Dashboard) -> None:
    everything = shop.get("/api/alerts?limit=500").json()
    one = everything["alerts"][0]

    assert everything["total"] == 24
    for name, field in (("status", "status"), ("category", "product_category"), ("product", "product_id")):
        found = shop.get("/api/alerts", params={name: one[field], "limit": 500}).json()
        assert found["alerts"] == [alert for alert in everything["alerts"] if alert[field] == one[field]]
    since = shop.get("/api/alerts", params={"since": one["window_start"]}).json()["alerts"]
    assert {alert["window_start"] >= one["window_start"] for alert in since} == {True}
    until = shop.get("/api/alerts", params={"until": one["window_start"], "limit": 500}).json()["alerts"]
    assert len(since) + len(until) == 24


def test_what_is_known_already_is_not_sent_again(shop: Dashboard) -> None:
    first = shop.get(f"/api/days/{DAY}")
    again = shop.get(f"/api/days/{DAY}", headers={"If-None-Match": first.headers["etag"]})
    other = shop.get("/api/days", headers={"If-None-Match": first.headers["etag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/products?day=yesterday",
        "/api/products?limit=0",
        "/api/products?limit=100000",
        "/api/products?offset=-1",
        "/api/products?search=a%00b",
        "/api/alerts?status=over",
        "/api/alerts?since=2026-01-01T00:00:00",
        "/api/product-days",
        "/api/days/2026-02-30",
        f"/api/days/{DAY}/users.csv",
    ],
)
def test_what_cannot_be_asked_is_refused_and_named(shop: Dashboard, path: str) -> None:
    answer = shop.get(path)

    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_text_is_a_parameter_and_never_sql(shop: Dashboard) -> None:
    text = "'; DROP TABLE flash_sale_alerts; --"

    for path, name in (("/api/alerts", "product"), ("/api/products", "search"), ("/api/product-days", "product")):
        assert shop.get(path, params={name: text}).status_code == 200

    assert shop.get("/api/alerts").json()["total"] == 24


@pytest.mark.parametrize("table", ["summary", "segments", "products", "categories", "reconciliation", "gates"])
def test_each_table_of_a_day_can_be_had_as_csv(shop: Dashboard, table: str) -> None:
    tables = {
        "summary": "daily_summary",
        "segments": "user_segments",
        "products": "product_performance",
        "categories": "category_conversion",
        "gates": "quality_gates",
    }
    with psycopg.connect(shop.database_url) as connection:
        query = f"SELECT count(*) FROM {tables.get(table, table)} WHERE report_date = %s"
        (expected,) = connection.execute(query, (DAY,)).fetchone() or (0,)

    answer = shop.get(f"/api/days/{DAY}/{table}.csv")

    assert answer.headers["content-type"].startswith("text/csv")
    assert f"{table}_{DAY}.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == expected > 0
    assert {row["report_date"] for row in rows} == {DAY}


def test_a_products_days_leave_out_those_it_was_not_seen_on(empty: Dashboard) -> None:
    day = yesterday()
    with psycopg.connect(empty.database_url) as connection:
        for back, views in ((0, 5), (2, 7), (200, 1)):
            connection.execute(
                "INSERT INTO product_performance VALUES (%s, 'a/b', %s, 1, 1, 1)", (day - timedelta(days=back), views)
            )
        connection.execute("INSERT INTO product_performance VALUES (%s, 'other', 4, 1, 1, 2)", (day,))

    answer = empty.get("/api/product-days", params={"product": "a/b", "until": DAY}).json()

    assert [(one["report_date"], one["view_count"]) for one in answer["days"]] == [
        ((day - timedelta(days=2)).isoformat(), 7),
        (DAY, 5),
    ]


def test_windows_are_the_closed_ones_and_those_an_alert_tells_of(shop: Dashboard) -> None:
    with psycopg.connect(shop.database_url) as connection:
        row = connection.execute(
            "SELECT product_id FROM flash_sale_alerts WHERE status = 'active' ORDER BY window_start DESC LIMIT 1"
        ).fetchone()
    assert row is not None

    answer = shop.get("/api/product-windows", params={"product": row[0], "hours": 2}).json()

    assert (answer["views_threshold"], answer["purchases_threshold"]) == (100, 5)
    starts = [window["window_start"] for window in answer["windows"]]
    assert starts == sorted(set(starts))
    assert {window["closed"] for window in answer["windows"]} == {True, False}


def test_trust_tells_of_layers_reasons_schemas_gates_and_agreement(shop: Dashboard) -> None:
    trust = shop.get("/api/trust").json()
    of_day = shop.get(f"/api/days/{DAY}/trust").json()

    assert trust["freshness"]["last_day"] == DAY
    assert trust["status"][0]["events"] == 18_204_117
    assert [one["reason"] for one in trust["dead_letters"]][:2] == ["bad_frame", "undecodable"]
    assert [one["version"] for one in trust["schemas"]] == [1, 2]
    totals = [row for row in of_day["reconciliation"] if row["product_id"] == ""]
    assert [row["metric"] for row in totals] == ["views", "carts", "purchases", "total_events"]
    assert of_day["gates"][0]["verdict"] == "warn"


def test_the_report_is_the_file_that_batch_wrote(empty: Dashboard, tmp_path: Any) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / f"summary_{DAY}.json").write_text('{"format": 1}')

    answer = empty.get(f"/api/days/{DAY}/report.json")

    assert answer.json() == {"format": 1}
    assert empty.get("/api/days/..%2f..%2fetc/report.json").status_code in (404, 422)


def test_every_operation_is_documented(shop: Dashboard) -> None:
    document = json.loads(shop.get("/api/openapi.json").text)

    assert set(document["paths"]) >= {"/api/alerts", "/api/days/{day}", "/api/trust", "/api/products"}
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["description"]
            assert operation["tags"]


def test_every_answer_forbids_what_comes_from_elsewhere(shop: Dashboard) -> None:
    for path in ("/", "/api/days", "/static/style.css"):
        headers = shop.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_a_name_that_is_not_this_machines_is_not_answered(shop: Dashboard) -> None:
    assert shop.get("/api/days", headers={"Host": "evil.example"}).status_code == 421


def test_a_part_of_streaming_in_trouble_is_told_with_the_reason(shop: Dashboard) -> None:
    with psycopg.connect(shop.database_url) as connection:
        connection.execute("""UPDATE stream_status SET troubles = '{"lake": "waits for Kafka"}'""")
    try:
        (status,) = shop.get("/api/now").json()["status"]
    finally:
        with psycopg.connect(shop.database_url) as connection:
            connection.execute("UPDATE stream_status SET troubles = '{}'")

    assert status["troubles"] == {"lake": "waits for Kafka"}
