"""Which images the tests run: ours as they were just built, the others as pinned or overridden."""

import json
import os
from pathlib import Path

_DIST = Path(os.environ.get("CLICKWATCH_DIST", "."))


def service_image(name: str) -> str:
    """The name of an image of a service, as `./pants package` built it."""
    (info,) = _DIST.glob(f"services.*.docker/{name}.docker-info.json")
    # Its id is not always known to Pants.
    tagged: str = json.loads(info.read_bytes())["registries"][0]["tags"][0]["name"]
    return tagged


def public_image(variable: str) -> str:
    """The name of an image that is not ours, as deploy/images says; ./pants passes it on."""
    assert variable in os.environ, (
        f"{variable} is not set: run ./pants test, or set it as deploy/images/images.env does"
    )
    return os.environ[variable]
