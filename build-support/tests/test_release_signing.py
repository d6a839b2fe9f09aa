"""What `./pants release publish --sign` asks of docker and cosign. Stand-ins for both write down their calls."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
set -euo pipefail
root=$1 work=$2 script=$3
cd "$work"
say() { printf 'pants: %s\\n' "$*" >&2; }
find_python() { echo "$PYTHON"; }
pants() {
  printf 'pants %s\\n' "$*" >>calls
  case $1 in
  --changed-since=*) echo services/shop/docker:shop ;;
  peek) echo '      "org.opencontainers.image.version": "1.2.0",' ;;
  dependencies) printf '%s\\n' services/shop/docker:deps services/shop/docker:srcs ;;
  esac
}
tool() {
  printf 'tool %s\\n' "$1" >>calls
  while [ "$1" != --output-file ]; do shift; done
  cp "$3" "$2"
}
docker() { echo 'ghcr.io/someone/clickwatch/shop@sha256:abc'; }
cosign() { printf 'cosign %s\\n' "$*" >>calls; }
set -- publish --to ghcr.io/someone --since HEAD --sign
. "$script"
"""


def released(tmp_path: Path, cosign: str = "") -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Publish an image that holds one distribution; return how that ended, and what was called."""
    (tmp_path / "build-support").mkdir()
    for name in ("sbom.sh", "pex_contents.py"):
        (tmp_path / "build-support" / name).write_text((ROOT / "build-support" / name).read_text())
    pex = tmp_path / "dist" / "services.shop.docker" / "deps.pex"
    pex.mkdir(parents=True)
    (pex / "PEX-INFO").write_text('{"distributions": {"orjson-3.11.5-cp311-cp311-linux_x86_64.whl": "…"}}')
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "Begin"], cwd=tmp_path, check=True)
    script = SCRIPT.replace("cosign() { printf 'cosign %s\\n' \"$*\" >>calls; }\n", cosign) if cosign else SCRIPT
    done = subprocess.run(
        ["bash", "-c", script, "release", str(tmp_path), str(tmp_path), str(ROOT / "build-support" / "release.sh")],
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    calls = tmp_path / "calls"
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_what_was_pushed_is_signed_by_its_digest_and_its_contents_are_attested(tmp_path: Path) -> None:
    done, calls = released(tmp_path)

    assert done.returncode == 0, done.stderr
    digest = "ghcr.io/someone/clickwatch/shop@sha256:abc"
    sbom = tmp_path / "dist" / "sbom" / "shop.cdx.json"
    assert calls[-2:] == [
        f"cosign sign --yes {digest}",
        f"cosign attest --yes --type cyclonedx --predicate {sbom} {digest}",
    ]
    assert sbom.read_text() == "orjson==3.11.5\n"


def test_without_cosign_nothing_is_published(tmp_path: Path) -> None:
    done, calls = released(tmp_path, cosign=" ")

    assert done.returncode == 1
    assert "--sign: cosign is not on the PATH: install it" in done.stderr
    assert calls == []
