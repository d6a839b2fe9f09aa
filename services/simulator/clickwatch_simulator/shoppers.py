"""Shoppers and what they do: an endless, reproducible line of events in sessions.

Sessions start one after another on an axis of *positions*, each leaves its events behind its
start, and the events in order of position are event 0, 1, 2 … of the run. Event i happens
between `start + i/rate` and `start + (i+1)/rate`. So the rate is exact, the order within a
session is that of the session, and neither depends on how the work is cut into blocks.

Numbers come in blocks of sessions from numpy: drawing them one by one would cost more than
encoding and sending the events.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
from clickwatch_events import Event, EventType
from clickwatch_service import UserError
from numpy.typing import NDArray

from clickwatch_simulator.catalogue import CURRENCY, popularity, products
from clickwatch_simulator.flash_sales import FLASH_VIEWS_A_SESSION, FlashSale, FlashSessions

SESSIONS_A_BLOCK = 1024
_MOST_JOURNEYS = 5
"""A session looks at 1 … 5 products, three on average."""
_SECOND_VIEW = 0.4
_CART = 0.4
_BUY = 0.5
# A journey has 1.4 views, 0.4 carts and 0.2 purchases on average: the mix of 70/20/10 (spec, simulator).
_EVENTS_A_JOURNEY = 1 + _SECOND_VIEW + _CART + _CART * _BUY
EVENTS_A_SESSION = (1 + _MOST_JOURNEYS) / 2 * _EVENTS_A_JOURNEY
_LONGEST_SESSION = _MOST_JOURNEYS * 4
_THINKING_SECONDS = 8.0
_SHORTEST_THOUGHT, _LONGEST_THOUGHT = 0.25, 1.75
"""In mean thoughts."""
_START_SPREAD = 0.5
"""Of the distance between two sessions' starts."""

Rng = np.random.Generator
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_TYPES = np.array([EventType.VIEW, EventType.ADD_TO_CART, EventType.PURCHASE], dtype=object)


@dataclass(frozen=True)
class Shop:
    """All that the traffic follows from.

    Attributes:
        seed: same seed, same shoppers.
        start_ms: event time of the first event, epoch milliseconds.
        rate: events a second of event time.
        users: how many users.
        product_count: how many products.
        v1_share: share of sessions by clients that still write schema version 1.
        flash_sales: products with a flash sale going on.
    """

    seed: int
    start_ms: int
    rate: float
    users: int = 1000
    product_count: int = 100
    v1_share: float = 0.2
    flash_sales: tuple[FlashSale, ...] = ()


@dataclass(frozen=True)
class Visits:
    """Whose turn it is: users in the order in which their sessions start, over and over.

    A tenth of the users comes four times as often as most, a fifth twice. A quarter never buys.

    Attributes:
        ring: user numbers, 0 … users-1.
        distance: sessions that lie at least between two of the same user.
        buy: chance by user that a cart is bought.
    """

    ring: Ints
    distance: int
    buy: Floats


def visits(users: int, rng: Rng) -> Visits:
    """Return the order of visits."""
    frequency = rng.choice([1, 1, 1, 1, 1, 1, 1, 2, 2, 4], size=users) if users >= 10 else np.ones(users, dtype=int)
    user = np.repeat(np.arange(users), frequency)
    turn = np.arange(len(user)) - np.repeat(np.cumsum(frequency) - frequency, frequency)
    ring = user[np.argsort((turn + rng.random(users)[user]) / frequency[user], kind="stable")]
    twice = np.concatenate([ring, ring])
    places = np.argsort(twice, kind="stable")
    distance = int(np.diff(places)[np.diff(twice[places]) == 0].min())
    buys = rng.permutation(users) >= users // 4
    buy = np.where(buys, _BUY / (np.count_nonzero(buys[ring]) / len(ring)), 0.0)
    return Visits(ring, distance, np.minimum(buy, 1.0))


@dataclass(frozen=True)
class _Columns:
    """Events not yet in order, one array a field."""

    position: Floats
    user: Ints
    product: Ints
    step: Ints
    session_id: NDArray[np.object_]
    version_2: NDArray[np.int64]
    event_bytes: NDArray[np.uint8]

    def take(self, which: NDArray[np.intp] | slice) -> "_Columns":
        return _Columns(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def __add__(self, other: "_Columns") -> "_Columns":
        return _Columns(
            *(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__dataclass_fields__)
        )


class Block(NamedTuple):
    """Some of the events, in order, and the time of each in epoch milliseconds."""

    events: list[Event]
    times_ms: Ints


class Shoppers:
    """The traffic of a shop without mishaps."""

    def __init__(self, shop: Shop) -> None:
        """Follow from `shop` alone.

        Raises:
            UserError: its flash sales do not fit its rate or its catalogue.
        """
        if len(shop.flash_sales) >= shop.product_count:
            raise UserError(
                f"{len(shop.flash_sales)} flash sales of {shop.product_count} products leave nothing for other "
                "shoppers: name fewer or raise NUM_PRODUCTS"
            )
        self._shop = shop
        self._visits = visits(shop.users, np.random.default_rng([shop.seed, 0]))
        self._flash = FlashSessions(shop.flash_sales, shop.rate, EVENTS_A_SESSION)
        flash_share = self._flash.share
        self._session_length = (1 - flash_share) * EVENTS_A_SESSION + flash_share * FLASH_VIEWS_A_SESSION
        # Long enough to be human, short enough that a user's sessions never overlap.
        self._gap = min(
            _THINKING_SECONDS * shop.rate,
            (self._visits.distance - _START_SPREAD) * self._session_length / (_LONGEST_THOUGHT * _LONGEST_SESSION),
        )
        self._popularity = popularity(shop.product_count, frozenset(sale.product for sale in shop.flash_sales))
        self._user_ids = np.array([f"user_{number}" for number in range(1, shop.users + 1)], dtype=object)
        catalogue = products(shop.product_count)
        self._product_ids = np.array([product.product_id for product in catalogue], dtype=object)
        self._categories = np.array([product.category for product in catalogue], dtype=object)
        # By product and version: version 1 has no price.
        self._prices = np.array([[None, product.price_minor] for product in catalogue], dtype=object)
        self._currencies = np.array([None, CURRENCY], dtype=object)

    def blocks(self) -> Iterator[Block]:
        """Return the events in order, without end, some thousand at once."""
        pending = self._block(0)
        emitted = 0
        block = 0
        while True:
            block += 1
            complete_to = block * SESSIONS_A_BLOCK * self._session_length
            ordered = pending.take(np.argsort(pending.position, kind="stable"))
            cut = int(np.searchsorted(ordered.position, complete_to))
            if cut:
                yield self._events(ordered.take(slice(0, cut)), emitted, block)
            emitted += cut
            pending = ordered.take(slice(cut, None)) + self._block(block)

    def _block(self, block: int) -> _Columns:
        """Return the events of as many sessions as a block has."""
        shop = self._shop
        rng = np.random.default_rng([shop.seed, 1, block])
        # The same shopper at another time is another event: ids depend on the start too.
        id_rng = np.random.default_rng([shop.seed, 2, abs(shop.start_ms), block])
        session = np.arange(SESSIONS_A_BLOCK, dtype=np.int64) + block * SESSIONS_A_BLOCK
        user = self._visits.ring[session % len(self._visits.ring)]
        start = (session + _START_SPREAD * rng.random(len(session))) * self._session_length
        version_2 = (rng.random(len(session)) >= shop.v1_share).astype(np.int64)
        session_id = np.array([f"s{shop.start_ms:x}-{number:x}" for number in session.tolist()], dtype=object)
        session_id[version_2 == 0] = None
        flash, flash_buys = self._flash.sessions(session, rng)

        journeys = rng.integers(1, _MOST_JOURNEYS + 1, len(session))
        journeys[flash >= 0] = 1
        of = np.repeat(np.arange(len(session)), journeys)
        drawn = rng.random((5, len(of)))
        is_flash = flash[of] >= 0
        product = np.minimum(np.searchsorted(self._popularity, drawn[0], side="right"), shop.product_count - 1)
        product = np.where(is_flash, flash[of], product)
        views = np.where(is_flash, 1 + (drawn[1] * 3).astype(np.int64), 1 + (drawn[1] < _SECOND_VIEW))
        buys = np.where(is_flash, flash_buys[of], drawn[3] < self._visits.buy[user[of]])
        carts = np.where(is_flash, flash_buys[of] | (drawn[2] < 0.05), drawn[2] < _CART)
        buys &= carts

        events = views + carts + buys
        journey = np.repeat(np.arange(len(of)), events)
        place = np.arange(len(journey)) - np.repeat(np.cumsum(events) - events, events)
        step = np.maximum(place - views[journey] + 1, 0)
        owner = of[journey]
        walked = np.cumsum(rng.uniform(_SHORTEST_THOUGHT, _LONGEST_THOUGHT, len(journey)) * self._gap)
        first = np.searchsorted(owner, np.arange(len(session)))
        return _Columns(
            position=start[owner] + (walked - walked[first][owner]),
            user=user[owner],
            product=product[journey],
            step=step,
            session_id=session_id[owner],
            version_2=version_2[owner],
            event_bytes=np.frombuffer(id_rng.bytes(16 * len(journey)), dtype=np.uint8).reshape(-1, 16),
        )

    def _events(self, columns: _Columns, first: int, block: int) -> Block:
        """Return the events of columns in order, the first of them event number `first` of the run."""
        shop = self._shop
        count = len(columns.position)
        numbers = first + np.arange(count) + np.random.default_rng([shop.seed, 3, block]).random(count)
        times_ms = shop.start_ms + (numbers * (1000 / shop.rate)).astype(np.int64)
        values = zip(
            uuids(columns.event_bytes),
            self._user_ids[columns.user].tolist(),
            self._product_ids[columns.product].tolist(),
            self._categories[columns.product].tolist(),
            _TYPES[columns.step].tolist(),
            times_ms.tolist(),
            columns.session_id.tolist(),
            self._prices[columns.product, columns.version_2].tolist(),
            self._currencies[columns.version_2].tolist(),
            strict=True,
        )
        # What Event(*values) does, without a Python call for each.
        return Block(list(map(tuple.__new__, repeat(Event), values)), times_ms)


_HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint8).reshape(256, 2)
_DASHES = (8, 13, 18, 23)
_DIGITS = [place for place in range(36) if place not in _DASHES]


def uuids(raw: NDArray[np.uint8]) -> list[str]:
    """Return random UUIDs (version 4) in text form, one for each row of 16 random bytes."""
    raw = raw.copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = np.full((len(raw), 36), ord("-"), dtype=np.uint8)
    text[:, _DIGITS] = _HEX[raw].reshape(len(raw), 32)
    joined = text.tobytes().decode("ascii")
    return [joined[at : at + 36] for at in range(0, len(joined), 36)]
