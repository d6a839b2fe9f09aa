"""Which column of somebody's file holds what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from clickwatch_events import EventType
from clickwatch_service import UserError

_OUR_TYPES = {kind.value: kind for kind in EventType}
REQUIRED = ("time", "type", "product", "user")
"""Fields without which there is no event."""


@dataclass(frozen=True)
class RowMapping:
    """Which column holds what. An empty name: no such column.

    A name may be a path into JSON, and alternatives separated by commas (`paths.py`).

    Attributes:
        time: when it happened, in one of the forms of docs/times.md.
        type: what was done, translated by `types`.
        product: the product's id.
        user: the user's id.
        category: the category.
        session: the visit.
        price: the price, in whole units (`35.79`).
        price_minor: the price in the smallest unit (`3579`); goes before `price`.
        currency: column of the currency.
        event_id: column of an id; without it the id is made from the row.
        types: their event types to ours; None: skipped.
        default_currency: currency of prices that do not say.
        decimal_comma: whether prices are written `1.299,50`.
        given: fields whose columns were named by whoever runs the import, so that they must be there.
        is_own_log: whether rows are lines of our own log, judged as the batch layer judges them.
    """

    time: str
    type: str
    product: str
    user: str
    category: str = ""
    session: str = ""
    price: str = ""
    price_minor: str = ""
    currency: str = ""
    event_id: str = ""
    types: Mapping[str, EventType | None] = field(default_factory=lambda: _OUR_TYPES)
    default_currency: str = "EUR"
    decimal_comma: bool = False
    given: frozenset[str] = frozenset()
    is_own_log: bool = False

    @property
    def columns(self) -> dict[str, str]:
        """The fields that have a column, with its name."""
        return {name: getattr(self, name) for name in FIELDS if getattr(self, name)}

    def changed(
        self, columns: list[str], types: list[str], currency: str | None, *, decimal_comma: bool = False
    ) -> "RowMapping":
        """Return this mapping with some columns and types replaced.

        Args:
            columns: `FIELD=COLUMN` each.
            types: `THEIRS=OURS` each; `THEIRS=` skips those rows.
            currency: the default currency, if given.
            decimal_comma: whether prices are written `1.299,50`.

        Raises:
            UserError: no such field or event type.
        """
        new_columns: dict[str, str] = {}
        for text in columns:
            name, equals, column = text.partition("=")
            if not equals or name not in FIELDS:
                raise UserError(f"--column {text!r}: must be FIELD=COLUMN with FIELD one of {', '.join(FIELDS)}")
            if not column and name in REQUIRED:
                raise UserError(f"--column {text!r}: an event needs its {name}: name the column that holds it")
            new_columns[name] = column
        new_types = dict(self.types)
        for text in types:
            theirs, equals, ours = text.rpartition("=")
            if not equals or (ours and ours not in _OUR_TYPES):
                raise UserError(f"--type {text!r}: must be THEIRS=OURS with OURS one of {', '.join(_OUR_TYPES)}")
            new_types[theirs] = EventType(ours) if ours else None
        if currency is not None and not (len(currency) == 3 and currency.isascii() and currency.isupper()):
            raise UserError(f"--currency={currency}: must be an ISO 4217 code such as EUR")
        return replace(
            self,
            **new_columns,
            types=new_types,
            default_currency=currency or self.default_currency,
            decimal_comma=decimal_comma,
            given=frozenset(name for name, column in new_columns.items() if column),
            is_own_log=self.is_own_log and not (columns or types),
        )


FIELDS = tuple(
    name
    for name in RowMapping.__dataclass_fields__
    if name not in ("types", "default_currency", "decimal_comma", "given", "is_own_log")
)

_REES46_TYPES = {
    "view": EventType.VIEW,
    "cart": EventType.ADD_TO_CART,
    "purchase": EventType.PURCHASE,
    "remove_from_cart": None,
}
# https://segment.com/docs/connections/spec/ecommerce/v2/
_SEGMENT_SKIPPED = (
    "Products Searched",
    "Product List Viewed",
    "Product List Filtered",
    "Promotion Viewed",
    "Promotion Clicked",
    "Product Clicked",
    "Product Removed",
    "Product Shared",
    "Product Reviewed",
    "Product Added to Wishlist",
    "Product Removed from Wishlist",
    "Wishlist Product Added to Cart",
    "Cart Viewed",
    "Cart Shared",
    "Checkout Started",
    "Checkout Step Viewed",
    "Checkout Step Completed",
    "Payment Info Entered",
    "Order Updated",
    "Order Refunded",
    "Order Cancelled",
    "Coupon Entered",
    "Coupon Applied",
    "Coupon Denied",
    "Coupon Removed",
    # What is no track call.
    "identify",
    "page",
    "screen",
    "group",
    "alias",
)
# https://developers.google.com/analytics/devguides/collection/ga4/reference/events
_GA4_SKIPPED = (
    "add_payment_info",
    "add_shipping_info",
    "add_to_wishlist",
    "begin_checkout",
    "click",
    "file_download",
    "first_visit",
    "form_start",
    "form_submit",
    "login",
    "page_view",
    "refund",
    "remove_from_cart",
    "scroll",
    "search",
    "select_item",
    "select_promotion",
    "session_start",
    "share",
    "sign_up",
    "user_engagement",
    "video_complete",
    "video_progress",
    "video_start",
    "view_cart",
    "view_item_list",
    "view_promotion",
    "view_search_results",
)

MAPPINGS = {
    "clickwatch": RowMapping(
        time="timestamp",
        type="event_type",
        product="product_id",
        user="user_id",
        category="product_category",
        session="session_id",
        price_minor="price_minor",
        currency="currency",
        event_id="event_id",
        is_own_log=True,
    ),
    # https://rees46.com/en/datasets: event_time,event_type,product_id,category_id,category_code,brand,price,…
    "rees46": RowMapping(
        time="event_time",
        type="event_type",
        product="product_id",
        user="user_id",
        category="category_code,category_id",
        session="user_session",
        price="price",
        types=_REES46_TYPES,
        default_currency="USD",
    ),
    # https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset: timestamp,visitorid,event,itemid,transactionid
    "retailrocket": RowMapping(
        time="timestamp",
        type="event",
        product="itemid",
        user="visitorid",
        types={"view": EventType.VIEW, "addtocart": EventType.ADD_TO_CART, "transaction": EventType.PURCHASE},
    ),
    # One JSON object a call, as Segment's raw data and its S3 destination hold them.
    "segment": RowMapping(
        time="originalTimestamp,timestamp,sentAt,receivedAt",
        type="event,type",
        product="properties.products[].product_id,properties.products[].sku,properties.product_id,properties.sku",
        user="userId,anonymousId",
        category="properties.products[].category,properties.category",
        session="context.sessionId,properties.session_id",
        price="properties.products[].price,properties.price",
        currency="properties.products[].currency,properties.currency",
        event_id="messageId",
        types={
            "Product Viewed": EventType.VIEW,
            "Product Added": EventType.ADD_TO_CART,
            "Order Completed": EventType.PURCHASE,
            **dict.fromkeys(_SEGMENT_SKIPPED),
        },
        default_currency="USD",
    ),
    # BigQuery's export of Google Analytics 4 as JSON lines (`bq extract --destination_format NEWLINE_DELIMITED_JSON`).
    "ga4": RowMapping(
        time="event_timestamp",
        type="event_name",
        product="items[].item_id,items[].item_name",
        user="user_id,user_pseudo_id",
        category="items[].item_category",
        session="event_params[key=ga_session_id].value.int_value,event_params[key=ga_session_id].value.string_value",
        price="items[].price",
        currency="event_params[key=currency].value.string_value",
        types={
            "view_item": EventType.VIEW,
            "add_to_cart": EventType.ADD_TO_CART,
            "purchase": EventType.PURCHASE,
            **dict.fromkeys(_GA4_SKIPPED),
        },
        default_currency="USD",
    ),
}
"""Ready-made mappings by name."""
