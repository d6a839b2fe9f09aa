"""Whether topics that somebody else made are set as our services need them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from clickwatch_service import UserError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

_SECONDS = 15.0


@dataclass(frozen=True)
class Want:
    """What is wanted of one setting of a topic.

    Attributes:
        setting: Kafka's name of it.
        is_met: takes the value, and returns whether it will do.
        wanted: what would do, for people.
        why: what happens otherwise.
        is_needed: whether figures would be wrong otherwise, so that a service must not start.
    """

    setting: str
    is_met: Callable[[str], bool]
    wanted: str
    why: str
    is_needed: bool = False


@dataclass(frozen=True)
class Unmet:
    """A setting that will not do.

    Attributes:
        topic: whose it is.
        value: what it is.
        want: what was wanted.
    """

    topic: str
    value: str
    want: Want

    def __str__(self) -> str:
        want = self.want
        return f"topic {self.topic}: {want.setting} is {self.value}: {want.why}: set it to {want.wanted}"


def require_settings(admin: AdminClient, wants: Mapping[str, Sequence[Want]], say: Callable[[str], None]) -> None:
    """Return if the topics are set so that figures come out right; say once what else is to be known of them.

    Args:
        admin: asks the broker.
        wants: per topic what is wanted of it.
        say: takes a line for each thing that is worth knowing and stops nothing.

    Raises:
        UserError: a setting would make figures wrong. Its message names each of them.
        KafkaException: the broker does not answer.
    """
    found = unmet(admin, wants, say)
    for one in found:
        if not one.want.is_needed:
            say(str(one))
    needed = [str(one) for one in found if one.want.is_needed]
    if needed:
        raise UserError(". ".join(needed))


def unmet(admin: AdminClient, wants: Mapping[str, Sequence[Want]], say: Callable[[str], None]) -> list[Unmet]:
    """Return the settings that will not do; a topic that may not be looked at is said, and passed over.

    Raises:
        KafkaException: the broker does not answer.
    """
    resources = {name: ConfigResource(ResourceType.TOPIC, name) for name in wants}
    answers = admin.describe_configs(list(resources.values()), request_timeout=_SECONDS)
    found: list[Unmet] = []
    for resource, answer in answers.items():
        topic = resource.name
        try:
            settings = answer.result(_SECONDS + 5)
        except KafkaException as error:
            if error.args[0].retriable() or error.args[0].fatal():
                raise
            say(f"topic {topic}: its settings cannot be looked at ({error.args[0].str()}): allow DescribeConfigs on it")
            continue
        for want in wants[topic]:
            value = settings[want.setting].value if want.setting in settings else None
            # An older broker may lack a setting.
            if value is not None and not want.is_met(value):
                found.append(Unmet(topic, value, want))
    return found
