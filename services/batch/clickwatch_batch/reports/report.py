"""A day's report as JSON for programs and as text for people."""

import json
import textwrap
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from clickwatch_service.money import amount
from clickwatch_service.shown import cell, one_line, shown, visible_json

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

FORMAT = 3
"""Moves where a reader of an older one would go wrong; the shape is in report.schema.json."""

_WITHOUT_UNFINISHED = 2
"""Reports of this format stand in folders still: their days are whole."""

_NAME, _WIDTH = 24, 72


def to_json(report: DailyReport) -> str:
    """Return the report as JSON, fields named as in the tables; `from_json` takes it back."""
    document = {
        "format": FORMAT,
        "status": "refused" if report.is_refused else "unfinished" if report.unfinished else "accepted",
        "unfinished": report.unfinished or None,
        "report_date": report.report_date.isoformat(),
        "generated_at": report.generated_at.isoformat(),
        "log_name": report.log_name,
        "log_lines": report.log_lines,
        "dropped": {
            "duplicate_events": report.dropped.duplicate_events,
            "malformed_lines": report.dropped.malformed_lines,
            "other_day_events": report.dropped.other_day_events,
        },
        "refused_records": report.refused_records,
        "summary": report.summary._asdict(),
        "revenue_by_currency": [revenue._asdict() for revenue in report.revenue],
        "top_products": [product._asdict() for product in report.top_products],
        "category_conversion": [category._asdict() for category in report.categories],
        "quality_gates": [gate._asdict() for gate in report.gates],
        "reconciliation": [compared._asdict() for compared in report.reconciliation],
    }
    return visible_json(json.dumps(document, indent=2, ensure_ascii=False, default=float)) + "\n"


def from_json(text: str) -> DailyReport:
    """Return the report of a JSON document.

    Raises:
        ValueError: it is no report of this format.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
        if document["format"] == _WITHOUT_UNFINISHED:
            document = {**document, "unfinished": None, "refused_records": 0}
        elif document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, must be {FORMAT}")
        return DailyReport(
            report_date=date.fromisoformat(document["report_date"]),
            generated_at=datetime.fromisoformat(document["generated_at"]),
            log_name=document["log_name"],
            log_lines=document["log_lines"],
            dropped=Dropped(**document["dropped"]),
            summary=_with_exact_rate(DailySummary(**document["summary"])),
            revenue=tuple(CurrencyRevenue(**revenue) for revenue in document["revenue_by_currency"]),
            top_products=tuple(ProductPerformance(**product) for product in document["top_products"]),
            categories=tuple(
                _with_exact_conversion(CategoryConversion(**category)) for category in document["category_conversion"]
            ),
            gates=tuple(map(_gate, document["quality_gates"])),
            reconciliation=tuple(Compared(**compared) for compared in document["reconciliation"]),
            unfinished=document["unfinished"] or "",
            refused_records=document["refused_records"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"field {error}") from None


def to_text(report: DailyReport) -> str:
    """Return the report for an e-mail: plain text of at most 72 columns, names shown so that they act on nothing."""
    summary, dropped = report.summary, report.dropped
    users = summary.buyer_count + summary.window_shopper_count
    lines = [
        f"Clickstream report for {report.report_date} (UTC)",
        "=" * 44,
        "",
        *(["REFUSED: not published, see the gates below.", ""] if report.is_refused else []),
        *_unfinished(report.unfinished),
        _figure("Events", summary.total_events),
        _figure("  views", summary.views),
        _figure("  added to cart", summary.carts),
        _figure("  purchases", summary.purchases),
    ]
    if summary.unknown_events:
        lines.append(_figure("  of an unknown type", summary.unknown_events))
    lines += [
        _figure("Users", users),
        _figure("  buyers", summary.buyer_count) + f"   {summary.buyer_rate} %",
        _figure("  window shoppers", summary.window_shopper_count),
        *_revenue(report.revenue),
        "",
        f"Top {len(report.top_products)} products by views",
        f"  {'#':>2}  {'product':<24} {'views':>12} {'carts':>12} {'purchases':>12}",
        *(
            f"  {product.rank:>2}  {cell(product.product_id, _NAME)} {product.view_count:>12,}"
            f" {product.cart_count:>12,} {product.purchase_count:>12,}"
            for product in report.top_products
        ),
        "",
        "Conversion by category (purchases / views)",
        f"  {'category':<28} {'views':>12} {'purchases':>12} {'rate':>12}",
        *(
            f"  {cell(row.category, 28)} {row.views:>12,} {row.purchases:>12,} {row.conversion_rate:>10} %"
            for row in report.categories
        ),
        "",
        f"Read {report.log_lines:,} lines of {shown(report.log_name, _WIDTH - 40)}. Not counted:",
        _figure("  duplicate events", dropped.duplicate_events),
        _figure("  malformed lines", dropped.malformed_lines),
        _figure("  events of another day", dropped.other_day_events),
        *_refused_records(report.refused_records),
        *_gates(report.gates),
        *_reconciliation(report.reconciliation),
        "",
        f"These figures are from {report.generated_at:%Y-%m-%d %H:%M:%S} UTC.",
    ]
    return "\n".join(lines) + "\n"


def _unfinished(reason: str) -> list[str]:
    if not reason:
        return []
    told = f"UNFINISHED: {one_line(reason)}. These are the figures of a part of the day; a later run completes it."
    return [*textwrap.wrap(told, _WIDTH), ""]


def _refused_records(count: int) -> list[str]:
    return [_figure("Rows the database refused", count)] if count else []


def _gates(gates: tuple[Gate, ...]) -> list[str]:
    if not gates:
        return []
    lines = ["", "Quality gates"]
    for gate in gates:
        lines.append(f"  {gate.verdict:<4}  {gate.gate:<10} {_per_cent(gate.measured):>9}  {_limits(gate)}")
        lines += textwrap.wrap(one_line(gate.note), _WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return lines


def _limits(gate: Gate) -> str:
    limits = (("warns", gate.warn_at), ("fails", gate.fail_at))
    return ", ".join(f"{what} above {_per_cent(at)}" for what, at in limits if at is not None) or "no limit"


def _per_cent(share: Decimal) -> str:
    return f"{share * 100:.2f} %"


def _reconciliation(rows: tuple[Compared, ...]) -> list[str]:
    if not rows:
        return ["", "Speed layer: nothing to compare with."]
    lines = [
        "",
        "Speed layer against these figures",
        f"  {'':<24} {'speed':>12} {'batch':>12} {'difference':>12}",
    ]
    for row in rows:
        label = cell(f"{row.metric} {row.product_id}".strip(), _NAME)
        lines.append(f"  {label} {row.speed_value:>12,} {row.batch_value:>12,} {row.difference:>+12,}")
        reasons = {
            "late": row.late,
            "duplicate": row.duplicate,
            "quarantined": row.quarantined,
            "unexplained": row.unexplained,
        }
        told = ", ".join(f"{name} {amount:+,}" for name, amount in reasons.items() if amount)
        if told:
            lines.append(f"    {told}")
    return lines


def _gate(document: Mapping[str, object]) -> Gate:
    gate = Gate(**document)  # type: ignore[arg-type]  # JSON of our own; a wrong field is a TypeError
    return gate._replace(
        measured=_decimal(gate.measured),
        warn_at=None if gate.warn_at is None else _decimal(gate.warn_at),
        fail_at=None if gate.fail_at is None else _decimal(gate.fail_at),
        verdict=Verdict(gate.verdict),
    )


def _decimal(number: object) -> Decimal:
    return Decimal(str(number))


def _figure(label: str, value: int) -> str:
    return f"{label:<26}{value:>16,}"


def _revenue(revenue: tuple[CurrencyRevenue, ...]) -> list[str]:
    lines = [
        f"{'Revenue' if place == 0 else '':<26}{amount(each.revenue_minor, shown(each.currency, 8)):>16}"
        for place, each in enumerate(revenue)
    ]
    if len(revenue) > 1:
        lines.append("  Several currencies: sums by day and by category mix them.")
    return lines


def _with_exact_rate(summary: DailySummary) -> DailySummary:
    return summary._replace(buyer_rate=_two_decimals(summary.buyer_rate))


def _with_exact_conversion(category: CategoryConversion) -> CategoryConversion:
    return category._replace(conversion_rate=_two_decimals(category.conversion_rate))


def _two_decimals(rate: Decimal) -> Decimal:
    return rate.quantize(Decimal("0.01"))
