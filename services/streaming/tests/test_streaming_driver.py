"""One service at a time in a data directory."""

from pathlib import Path

from clickwatch_streaming.spark.driver import sole_service


def test_a_file_of_the_jvm_that_a_power_cut_left_empty_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "jvm.pid").write_text("")

    with sole_service(tmp_path):
        assert not (tmp_path / "jvm.pid").exists()
