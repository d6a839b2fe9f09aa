"""What a container's health is read from."""

from clickwatch_service.connected import connected_ports, ports_in

_TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 020011AC:C350 030011AC:2384 01 00000000:00000000 00:00000000 00000000 10001
   2: 020011AC:C352 030011AC:1538 08 00000000:00000000 00:00000000 00000000 10001
"""


def test_only_a_connection_that_stands_counts() -> None:
    assert connected_ports([_TABLE, "  sl  local_address\n"]) == {9092}


def test_each_address_names_a_port() -> None:
    assert ports_in("kafka-1:9092,kafka-2:9093") == {9092, 9093}
