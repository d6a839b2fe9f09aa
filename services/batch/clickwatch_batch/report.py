"""A day's report as JSON for programs and as text for people."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from clickwatch_batch.daily import (
    CategoryConversion,
    CurrencyRevenue,
    DailyReport,
    DailySummary,
    Dropped,
    ProductPerformance,
)
from clickwatch_batch.quality import Gate, Verdict
from clickwatch_batch.reconciliation import Compared

FORMAT = 2
"""Moves where a reader of an older one would go wrong; the shape is in report.schema.json."""


def to_json(report: DailyReport) -> str:
    """Return the report as JSON, fields named as in the tables; `from_json` takes it back."""
    document = {
        "format": FORMAT,
        "status": "refused" if report.is_refused else "accepted",
        "report_date": report.report_date.isoformat(),
        "generated_at": report.generated_at.isoformat(),
        "log_name": report.log_name,
        "log_lines": report.log_lines,
        "dropped": {
            "duplicate_events": report.dropped.duplicate_events,
            "malformed_lines": report.dropped.malformed_lines,
            "other_day_events": report.dropped.other_day_events,
        },
        "summary": report.summary._asdict(),
        "revenue_by_currency": [revenue._asdict() for revenue in report.revenue],
        "top_products": [product._asdict() for product in report.top_products],
        "category_conversion": [category._asdict() for category in report.categories],
        "quality_gates": [gate._asdict() for gate in report.gates],
        "reconciliation": [compared._asdict() for compared in report.reconciliation],
    }
    return json.dumps(document, indent=2, ensure_ascii=False, default=float) + "\n"


def from_json(text: str) -> DailyReport:
    """Return the report of a JSON document.

    Raises:
        ValueError: it is no report of this format.
    """
    try:
        document = json.loads(text, parse_float=Decimal)
        if document["format"] != FORMAT:
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
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"field {error}") from None


def to_text(report: DailyReport) -> str:
    """Return the report for an e-mail: plain text, at most 72 columns where names allow."""
    summary, dropped = report.summary, report.dropped
    users = summary.buyer_count + summary.window_shopper_count
    lines = [
        f"Clickstream report for {report.report_date} (UTC)",
        "=" * 44,
        "",
        *(["REFUSED: not published, see the gates below.", ""] if report.is_refused else []),
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
            f"  {product.rank:>2}  {product.product_id:<24} {product.view_count:>12,}"
            f" {product.cart_count:>12,} {product.purchase_count:>12,}"
            for product in report.top_products
        ),
        "",
        "Conversion by category (purchases / views)",
        f"  {'category':<28} {'views':>12} {'purchases':>12} {'rate':>12}",
        *(
            f"  {row.category:<28} {row.views:>12,} {row.purchases:>12,} {row.conversion_rate:>10} %"
            for row in report.categories
        ),
        "",
        f"Read {report.log_lines:,} lines of {report.log_name}. Not counted:",
        _figure("  duplicate events", dropped.duplicate_events),
        _figure("  malformed lines", dropped.malformed_lines),
        _figure("  events of another day", dropped.other_day_events),
        *_gates(report.gates),
        *_reconciliation(report.reconciliation),
        "",
        f"These figures are from {report.generated_at:%Y-%m-%d %H:%M:%S} UTC.",
    ]
    return "\n".join(lines) + "\n"


def _gates(gates: tuple[Gate, ...]) -> list[str]:
    if not gates:
        return []
    lines = ["", "Quality gates"]
    for gate in gates:
        lines.append(f"  {gate.verdict:<4}  {gate.gate:<12} {_per_cent(gate.measured):>10}   {_limits(gate)}")
        lines.append(f"        {gate.note}")
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
        label = f"{row.metric} {row.product_id}".strip()
        lines.append(f"  {label:<24} {row.speed_value:>12,} {row.batch_value:>12,} {row.difference:>+12,}")
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
        f"{'Revenue':<26}{amount.revenue_minor:>16,}   in the smallest unit of {amount.currency or 'no named currency'}"
        for amount in revenue
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
