"""User ids as pseudonyms, worked out in the JVM: `Pseudonyms.of` as a column, so no raw id reaches the lake."""

import hashlib

from clickwatch_service.pseudonyms import HEX_DIGITS, PATTERN, PREFIX, Pseudonyms
from pyspark.sql import Column
from pyspark.sql import functions as sf

_BLOCK_BYTES = 64


def pseudonym(user_id: Column, pseudonyms: Pseudonyms) -> Column:
    """The pseudonym of each user id, null of null.

    HMAC is RFC 2104; Spark has only the hash it is made of.
    """
    key = pseudonyms.key if len(pseudonyms.key) <= _BLOCK_BYTES else hashlib.sha256(pseudonyms.key).digest()
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (sf.lit(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
    hashed = sf.sha2(sf.concat(inner, user_id.cast("binary")), 256)
    mac = sf.sha2(sf.concat(outer, sf.unhex(hashed)), 256)
    name = sf.concat(sf.lit(PREFIX), sf.substring(mac, 1, HEX_DIGITS))
    return sf.when(user_id.rlike(PATTERN), user_id).otherwise(name)
