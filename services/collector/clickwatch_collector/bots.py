"""Whether a sender says of itself that it is a program."""

from functools import lru_cache

import crawleruseragents

_LONGEST = 512


@lru_cache(maxsize=8192)
def _is_crawler(user_agent: str) -> bool:
    return bool(crawleruseragents.is_crawler(user_agent))


def is_bot(user_agent: str | None) -> bool | None:
    """Return whether a user agent is that of a known program; None where nothing is said.

    The list is that of crawler-user-agents. It knows programs that give their name, not those that hide it.
    """
    return None if not user_agent else _is_crawler(user_agent[:_LONGEST])
