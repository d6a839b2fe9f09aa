"""Where in a row a value is: `sku`, `properties.product_id`, `products[].sku`, `params[key=currency].value`.

A path may name alternatives, separated by commas: the first that is there counts. `[]` stands for each
element of a list, and makes an event for each.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter, methodcaller

from clickwatch_service import UserError

from clickwatch_simulator.importing.rows import Getter
from clickwatch_simulator.importing.values import JSON_NULLS, NULLS

_STEP = re.compile(r"([^.\[\]]+)(?:\[([^=\[\]]+)=([^\[\]]*)\])?")


@dataclass(frozen=True)
class Place:
    """One alternative of a path.

    Attributes:
        each_of: path of the list whose elements make an event each; None: the row is one event.
        path: path within the row, or within an element.
    """

    each_of: str | None
    path: str


def places(path: str) -> tuple[Place, ...]:
    """Return the alternatives that a path names; none for an empty one.

    Raises:
        UserError: it names a list within a list.
    """
    found = []
    for part in filter(None, (part.strip() for part in path.split(","))):
        before, brackets, after = part.partition("[]")
        if "[]" in after:
            raise UserError(f"{part}: has two []: an event can be made of each element of one list only")
        found.append(Place(before, after.removeprefix(".")) if brackets else Place(None, part))
    return tuple(found)


def value_at(path: str) -> Getter:
    """Return what takes the value at a path out of a JSON object; None where there is none.

    A name that holds dots counts before the path that it could be.

    Raises:
        UserError: the path cannot be read.
    """
    if not path:
        return lambda element: element
    matches = [_STEP.fullmatch(part) for part in _split(path)]
    steps = [(match[1], match[2], match[3]) for match in matches if match is not None]
    if len(steps) != len(matches):
        raise UserError(f"{path}: is no path: write names with dots between, such as properties.product_id")
    if len(steps) == 1 and steps[0][1] is None:
        return lambda values: values.get(path) if isinstance(values, dict) else None

    def get(values: object) -> object:
        if isinstance(values, dict) and path in values:
            return values[path]
        for name, key, wanted in steps:
            if not isinstance(values, dict):
                return None
            values = values.get(name)
            if key is not None:
                elements = values if isinstance(values, list) else []
                values = next((one for one in elements if isinstance(one, dict) and one.get(key) == wanted), None)
        return values

    return get


def _split(path: str) -> list[str]:
    """Return the names of a path; dots in brackets do not separate."""
    return re.split(r"\.(?![^\[]*\])", path)


def json_getter(column: str, each_of: str | None = None) -> Getter:
    """Return what takes a column out of a JSON object.

    Args:
        column: a path, with alternatives.
        each_of: a list; its elements make an event each, and the getter takes a pair of the object and an
            element. Alternatives in other lists do not count.
    """
    getters: list[Getter] = []
    for place in places(column):
        is_name = each_of is None and place.path.isidentifier()
        get: Getter = methodcaller("get", place.path) if is_name else value_at(place.path)
        if each_of is None and place.each_of is None:
            getters.append(get)
        elif place.each_of is None:
            getters.append(_of_part(get, 0))
        elif place.each_of == each_of:
            getters.append(_of_part(get, 1))
    return _first_of(getters, JSON_NULLS)


def _of_part(get: Getter, part: int) -> Getter:
    return lambda pair: get(pair[part])


def cell_getter(column: str, header: Sequence[str]) -> Getter:
    """Return what takes a column out of the values of a CSV line."""
    return _first_of([itemgetter(header.index(name)) for name in names_in(column, header)], NULLS)


def names_in(column: str, header: Sequence[str]) -> list[str]:
    """Return which of a column's alternatives are names in a header."""
    names = [column] if column in header else [name.strip() for name in column.split(",")]
    return [name for name in names if name in header]


def _first_of(getters: list[Getter], nulls: Container[object]) -> Getter:
    """Return what takes the first value that says something, else None."""
    if len(getters) == 1:
        return getters[0]

    def get(values: object) -> object:
        for getter in getters:
            value = getter(values)
            if value not in nulls:
                return value
        return None

    return get


def elements_of(path: str) -> Callable[[Mapping[str, object]], list[object]]:
    """Return what takes the list at a path out of a JSON object; an empty one where there is none."""
    get = value_at(path)

    def elements(values: Mapping[str, object]) -> list[object]:
        found = get(values)
        return found if isinstance(found, list) else []

    return elements
