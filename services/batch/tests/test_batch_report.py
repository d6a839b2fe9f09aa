"""The report as JSON and as text."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]  # brings no types
import pytest
from clickwatch_batch.analyses.daily import (
    CategoryConversion,
    CurrencyRevenue,
    DailyReport,
    DailySummary,
    Dropped,
    ProductPerformance,
)
from clickwatch_batch.analyses.differences import Compared
from clickwatch_batch.analyses.quality import Gate, Verdict
from clickwatch_batch.reports.report import from_json, to_json, to_text
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

REPORT = DailyReport(
    report_date=date(2025, 6, 1),
    generated_at=datetime(2025, 6, 2, 2, 0, 7, tzinfo=UTC),
    log_name="clickstream_2025-06-01.jsonl",
    log_lines=1_000_010,
    dropped=Dropped(duplicate_events=7, malformed_lines=2, other_day_events=1),
    summary=DailySummary(1_000_000, 700_000, 200_000, 100_000, 0, 1_250, 750, Decimal("62.50"), 357_900_000),
    revenue=(CurrencyRevenue("EUR", 357_900_000),),
    top_products=(
        ProductPerformance("product_7", 90_000, 9_000, 3, 1),
        ProductPerformance("product_12", 80_000, 8_000, 2, 2),
    ),
    categories=(
        CategoryConversion("cameras", 300_000, 80_000, 60_000, Decimal("20.00"), 1),
        CategoryConversion("gaming", 400_000, 120_000, 40_000, Decimal("10.00"), 2),
    ),
    gates=(
        Gate(
            "malformed",
            Decimal("0.000002"),
            Decimal("0.01"),
            Decimal("0.05"),
            Verdict.PASS,
            "2 of 1000010 lines are malformed",
        ),
        Gate(
            "volume",
            Decimal("0.6"),
            Decimal("0.5"),
            None,
            Verdict.WARN,
            "1000000 events, 625000 a day in the mean of 7 days before",
        ),
    ),
    reconciliation=(
        Compared("total_events", "", 999_990, 1_000_000, -10, -9, 0, 0, -1),
        Compared("views", "product_7", 89_999, 90_000, -1, 0, 0, -1, 0),
    ),
)

TEXT = """\
Clickstream report for 2025-06-01 (UTC)
============================================

Events                           1,000,000
  views                            700,000
  added to cart                    200,000
  purchases                        100,000
Users                                2,000
  buyers                             1,250   62.50 %
  window shoppers                      750
Revenue                   EUR 3,579,000.00

Top 2 products by views
   #  product                         views        carts    purchases
   1  product_7                      90,000        9,000            3
   2  product_12                     80,000        8,000            2

Conversion by category (purchases / views)
  category                            views    purchases         rate
  cameras                           300,000       60,000      20.00 %
  gaming                            400,000       40,000      10.00 %

Read 1,000,010 lines of clickstream_2025-06-01.jsonl. Not counted:
  duplicate events                       7
  malformed lines                        2
  events of another day                  1

Quality gates
  pass  malformed     0.00 %  warns above 1.00 %, fails above 5.00 %
        2 of 1000010 lines are malformed
  warn  volume       60.00 %  warns above 50.00 %
        1000000 events, 625000 a day in the mean of 7 days before

Speed layer against these figures
                                  speed        batch   difference
  total_events                  999,990    1,000,000          -10
    late -9, unexplained -1
  views product_7                89,999       90,000           -1
    quarantined -1

These figures are from 2025-06-02 02:00:07 UTC.
"""


def test_the_text_reads_as_an_email() -> None:
    assert to_text(REPORT) == TEXT
    assert max(map(len, TEXT.splitlines())) <= 72


def test_several_currencies_are_told_apart() -> None:
    revenue = (CurrencyRevenue("", 1), CurrencyRevenue("BHD", 4_853_000), CurrencyRevenue("JPY", 4_853_000))

    text = to_text(replace(REPORT, revenue=revenue))

    assert "1 in the smallest unit of no named currency" in text
    assert " BHD 4,853.000\n" in text
    assert " JPY 4,853,000\n" in text
    assert "Several currencies" in text


def test_json_holds_plain_numbers_under_the_names_of_the_tables() -> None:
    document = json.loads(to_json(REPORT))

    assert document["report_date"] == "2025-06-01"
    assert document["generated_at"] == "2025-06-02T02:00:07+00:00"
    assert document["summary"]["buyer_rate"] == 62.5
    assert document["dropped"] == {"duplicate_events": 7, "malformed_lines": 2, "other_day_events": 1}
    assert document["top_products"][0] == {
        "product_id": "product_7",
        "view_count": 90_000,
        "cart_count": 9_000,
        "purchase_count": 3,
        "rank": 1,
    }
    assert document["category_conversion"][1]["conversion_rate"] == 10


def test_json_takes_the_whole_report_there_and_back() -> None:
    assert from_json(to_json(REPORT)) == REPORT


@pytest.mark.parametrize("verdict", [Verdict.WARN, Verdict.FAIL])
def test_json_is_as_the_published_schema_says(verdict: Verdict) -> None:
    schema = json.loads((files("clickwatch_batch.reports") / "report.schema.json").read_text("utf-8"))
    report = replace(REPORT, gates=(REPORT.gates[0], REPORT.gates[1]._replace(verdict=verdict)))

    document = json.loads(to_json(report))

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["status"] == ("refused" if verdict is Verdict.FAIL else "accepted")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**document, "surprise": 1})


def test_a_refused_day_says_so_first() -> None:
    refused = replace(REPORT, gates=(REPORT.gates[0]._replace(verdict=Verdict.FAIL),))

    assert "REFUSED: not published" in to_text(refused).splitlines()[3]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', to_json(REPORT).replace("buyer_rate", "rate")])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_an_unfinished_day_says_so_first_and_in_the_json() -> None:
    part = replace(REPORT, unfinished="2025-06-01 is not over before 2025-06-02 00:00 UTC, and it is 2025-06-01 12:00")

    assert to_text(part).splitlines()[3] == "UNFINISHED: 2025-06-01 is not over before 2025-06-02 00:00 UTC, and it"
    assert json.loads(to_json(part))["status"] == "unfinished"
    assert from_json(to_json(part)) == part


def test_a_report_of_the_format_before_is_of_a_whole_day() -> None:
    document = json.loads(to_json(REPORT))
    for field in ("unfinished", "refused_records"):
        del document[field]

    assert from_json(json.dumps({**document, "format": 2})) == REPORT


def test_rows_that_the_database_refused_are_counted() -> None:
    assert "Rows the database refused                3" in to_text(replace(REPORT, refused_records=3))


AWKWARD = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\n\r\u202e\u2028\u200b \u05d0")), max_size=200)


@given(AWKWARD, AWKWARD, AWKWARD)
def test_no_name_forges_a_line_or_breaks_a_table(product: str, category: str, log_name: str) -> None:
    named = replace(
        REPORT,
        log_name=log_name,
        top_products=(REPORT.top_products[0]._replace(product_id=product),),
        categories=(REPORT.categories[0]._replace(category=category),),
        reconciliation=(REPORT.reconciliation[1]._replace(product_id=product),),
    )
    plain = replace(named, log_name="log", top_products=REPORT.top_products[:1], categories=REPORT.categories[:1])

    lines = to_text(named).splitlines()

    assert len(lines) == len(to_text(plain).splitlines())
    assert max(map(cell_len, lines)) <= 72
    row = lines[lines.index("Top 1 products by views") + 2]
    assert row.endswith("       90,000        9,000            3")
    assert row.startswith("   1  ")
    assert from_json(to_json(named)) == named
