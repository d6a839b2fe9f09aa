"""What the environment may say, and what it is told where it may not."""

import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from clickwatch_service import UserError, load_settings
from clickwatch_streaming.settings import Settings, Trigger
from clickwatch_streaming.spark.cluster import addresses, is_local, wait_for_master
from clickwatch_streaming.spark.session import configuration, least_slots, master


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)


def test_nothing_has_to_be_set() -> None:
    settings = Settings()

    assert (settings.window_duration, settings.slide_duration) == (timedelta(minutes=10), timedelta(minutes=5))
    assert (settings.views_threshold, settings.purchases_threshold) == (100, 5)
    assert settings.trigger is Trigger.AUTO
    assert settings.dead_letter_topic == "clickstream-events-dlq"


def test_the_dead_letter_topic_follows_the_topic_unless_named() -> None:
    assert Settings(kafka_topic="shop").dead_letter_topic == "shop-dlq"
    assert Settings(kafka_topic="shop", dlq_topic="bad").dead_letter_topic == "bad"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("WINDOW_DURATION", "soon", "WINDOW_DURATION='soon': must be a duration"),
        ("WATERMARK", "0", "WATERMARK='0': must be longer than 0 seconds"),
        ("SLIDE_DURATION", "20 minutes", "SLIDE_DURATION='20 minutes': must be at most WINDOW_DURATION, 600 seconds"),
        ("CHECKPOINT_INTERVAL", "1 s", "CHECKPOINT_INTERVAL='1 s': must be at least 5 seconds"),
        ("SPARK_DRIVER_MEMORY", "much", "SPARK_DRIVER_MEMORY='much': must be a number and m or g"),
        ("TRIGGER", "fast", "TRIGGER='fast': must be 'auto', 'realtime' or 'microbatch'"),
        ("VIEWS_THRESHOLD", "-1", "VIEWS_THRESHOLD='-1': must be greater than or equal to 0"),
    ],
)
def test_a_bad_value_names_the_variable_the_value_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(UserError) as raised:
        load_settings(Settings)

    assert str(raised.value).startswith(says)


def test_every_task_of_the_alert_query_has_a_slot_and_so_has_every_one_of_the_lake() -> None:
    widened = master(Settings(shuffle_partitions=2), topic_partitions=12)

    assert int(widened.removeprefix("local[").removesuffix("]")) >= 12 + 2 * 2 + 12


def test_too_few_slots_are_refused() -> None:
    assert master(Settings(spark_master="local[8]"), topic_partitions=2) == "local[8]"
    with pytest.raises(UserError, match="at least 8 slots"):
        master(Settings(spark_master="local[7]"), topic_partitions=2)


def test_a_cluster_is_asked_for_slots_enough_and_left_the_rest() -> None:
    settings = Settings(spark_master="spark://here:7077", shuffle_partitions=2)

    assert master(settings, topic_partitions=2) == "spark://here:7077"
    assert least_slots(settings, topic_partitions=2) == 8
    assert configuration(settings, 2, [], Path("log4j2.properties"))["spark.cores.max"] == "10"


@pytest.mark.parametrize(
    ("environment", "host"), [({}, "127.0.0.1"), ({"SPARK_DRIVER_HOST": "streaming"}, "streaming")]
)
def test_the_driver_listens_where_executors_are_told_it_is_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], host: str
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    found = configuration(Settings(), 2, [], Path("log4j2.properties"))

    assert (found["spark.driver.host"], found["spark.driver.bindAddress"]) == (host, host)


def test_only_a_master_that_runs_tasks_elsewhere_is_a_cluster() -> None:
    assert [m for m in ("local", "local[*]", "local[8]", "local[8,2]") if not is_local(m)] == []
    assert [m for m in ("spark://here:7077", "local-cluster[1,8,1024]", "yarn") if is_local(m)] == []


def test_a_standalone_master_may_have_several_addresses() -> None:
    assert addresses("spark://here:7077,[::1]:7078") == [("here", 7077), ("::1", 7078)]
    assert addresses("yarn") == []
    with pytest.raises(UserError, match="must be local"):
        addresses("spark://here")


def test_a_master_that_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        settings = Settings(spark_master=f"spark://127.0.0.1:{port}", wait_timeout=timedelta(milliseconds=1))
        wait_for_master(settings, threading.Event())

    with pytest.raises(UserError, match=f"'spark://127.0.0.1:{port}': no master answers after 0.001 seconds"):
        wait_for_master(settings, threading.Event())


def test_a_master_is_waited_for_no_longer_than_the_service_runs() -> None:
    stop = threading.Event()
    stop.set()

    wait_for_master(Settings(spark_master="spark://127.0.0.1:1"), stop)
