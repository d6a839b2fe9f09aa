"""The list of what an image holds."""

from pex_contents import contents


def test_a_wheel_is_listed_once_by_name_and_version() -> None:
    wheels = [
        "psycopg_binary-3.3.4-cp311-cp311-manylinux_2_17_x86_64.whl",
        "psycopg_binary-3.3.4-cp311-cp311-manylinux_2_28_aarch64.whl",
        "PyYAML-6.0.3-1-cp311-cp311-linux_x86_64.whl",
    ]

    assert contents(wheels) == ["psycopg-binary==3.3.4", "pyyaml==6.0.3"]
