"""Coordinates as text."""

import pytest
from clickwatch_jars.jars import Artifact, artifacts_in
from clickwatch_service import UserError


def test_each_line_names_an_artifact_and_comments_name_none() -> None:
    text = "# connectors\n\norg.apache.kafka:kafka-clients:3.9.2  # the client\na.b:c:1\n"

    assert artifacts_in(text) == (Artifact("org.apache.kafka", "kafka-clients", "3.9.2"), Artifact("a.b", "c", "1"))


@pytest.mark.parametrize("line", ["kafka-clients", "a:b", "a:b:1:jar", "a::1"])
def test_anything_else_is_refused_with_an_example(line: str) -> None:
    with pytest.raises(UserError, match="must be group:name:version, such as"):
        artifacts_in(line)
