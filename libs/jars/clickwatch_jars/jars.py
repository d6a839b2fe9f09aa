"""Jars by their Maven coordinates, fetched once by the Ivy that comes inside pyspark."""

import hashlib
import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from clickwatch_service import UserError
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509 import load_der_x509_certificate

from clickwatch_jars.cache import cached_folder
from clickwatch_jars.java import Java

# The store holds public certificates; Java wants one that is encrypted.
_STORE_KEY = b"public"


@dataclass(frozen=True)
class Artifact:
    """One artifact of a Maven repository.

    Attributes:
        group: such as `org.apache.kafka`.
        name: such as `kafka-clients`.
        version: such as `3.9.2`.
        with_dependencies: also what it needs at run time.
        kind: its file's extension.
        classifier: which of several files of that kind.
    """

    group: str
    name: str
    version: str
    with_dependencies: bool = False
    kind: str = "jar"
    classifier: str | None = None


def artifacts_in(text: str) -> tuple[Artifact, ...]:
    """Return the artifacts a text names, `group:name:version` each on its line; `#` begins a comment.

    Raises:
        UserError: a line is something else.
    """
    named = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(_artifact(line) for line in named if line)


def _artifact(line: str) -> Artifact:
    parts = line.split(":")
    if len(parts) != 3 or not all(parts):
        raise UserError(f"{line!r}: must be group:name:version, such as org.apache.kafka:kafka-clients:3.9.2")
    group, name, version = parts
    return Artifact(group, name, version)


def fetched_jars(name: str, artifacts: tuple[Artifact, ...], java: Java, ivy: Path | None = None) -> Path:
    """Return a folder that holds the artifacts' files, downloaded when they are not yet there.

    Args and errors are those of `fetch`; `name` says what they are for and is part of the folder's name.
    """
    content = hashlib.sha256(repr(artifacts).encode()).hexdigest()[:12]
    return cached_folder(f"jars/{name}-{content}", lambda folder: fetch(artifacts, folder, java, ivy))


def fetch(artifacts: tuple[Artifact, ...], folder: Path, java: Java, ivy: Path | None = None) -> None:
    """Download the artifacts' files into an empty folder.

    Args:
        artifacts: what to fetch.
        folder: where to.
        java: runs Ivy.
        ivy: Ivy's jar; else CLICKWATCH_IVY_JAR, else the one inside pyspark, installed or in a PEX of CLICKWATCH_DIST.

    Raises:
        UserError: no Ivy, or the repository did not serve an artifact.
    """
    work = folder / ".ivy"
    work.mkdir()
    (work / "settings.xml").write_text(_settings())
    (work / "ivy.xml").write_text(_module(artifacts))
    done = subprocess.run(
        [
            str(java.executable),
            *_trust(work / "trusted.p12"),
            "-jar",
            str(ivy or _ivy_jar(work)),
            *("-settings", str(work / "settings.xml")),
            *("-cache", str(work / "cache")),
            *("-ivy", str(work / "ivy.xml")),
            *("-confs", "default"),
            *("-retrieve", f"{folder}/[artifact]-[revision](-[classifier]).[ext]"),
            *("-types", "jar", "bundle", *sorted({one.kind for one in artifacts} - {"jar"})),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    missing = [one for one in artifacts if not list(folder.glob(f"{one.name}-{one.version}*.{one.kind}"))]
    if done.returncode != 0 or missing:
        wanted = ", ".join(f"{one.group}:{one.name}:{one.version}" for one in missing or artifacts)
        raise UserError(
            f"could not fetch {wanted} from Maven Central: is it reachable? The end of what Ivy said:\n"
            + _end_of(done.stdout)
        )
    shutil.rmtree(work)


def _ivy_jar(folder: Path) -> Path:
    """Return Ivy's jar: CLICKWATCH_IVY_JAR, that of an installed pyspark, or of a packed one, unpacked to `folder`."""
    named = os.environ.get("CLICKWATCH_IVY_JAR")
    if named:
        if not Path(named).is_file():
            raise UserError(f"CLICKWATCH_IVY_JAR={named!r}: there is no such file")
        return Path(named)
    pyspark = importlib.util.find_spec("pyspark")
    if pyspark is not None and pyspark.origin is not None:
        for jar in (Path(pyspark.origin).parent / "jars").glob("ivy-*.jar"):
            return jar
    programs = Path(os.environ.get("CLICKWATCH_DIST", "."))
    for wheel in programs.glob("*.pex/.deps/pyspark-*.whl"):
        if wheel.is_dir():
            return next(wheel.glob("pyspark/jars/ivy-*.jar"))
        with zipfile.ZipFile(wheel) as packed:
            (name,) = (one for one in packed.namelist() if re.fullmatch(r"pyspark/jars/ivy-[\d.]+\.jar", one))
            return Path(packed.extract(name, folder))
    raise UserError("no Ivy jar: set CLICKWATCH_IVY_JAR to one (pyspark brings jars/ivy-*.jar) or install pyspark")


def _trust(store: Path) -> tuple[str, ...]:
    """Return Java options to trust the certificate authorities this machine trusts, written to `store`.

    A Java from PyPI knows only its own list, which lacks those of a company's proxy.
    """
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not authorities:
        return ()
    with warnings.catch_warnings():
        # Some old authorities have serial numbers that today's rules forbid.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        certificates = [PKCS12Certificate(load_der_x509_certificate(one), None) for one in authorities]
    store.write_bytes(serialize_java_truststore(certificates, BestAvailableEncryption(_STORE_KEY)))
    return (f"-Djavax.net.ssl.trustStore={store}", f"-Djavax.net.ssl.trustStorePassword={_STORE_KEY.decode()}")


def _end_of(output: str) -> str:
    return "\n".join(output.strip().splitlines()[-15:])


def _settings() -> str:
    root = ElementTree.Element("ivysettings")
    ElementTree.SubElement(root, "settings", defaultResolver="maven")
    resolvers = ElementTree.SubElement(root, "resolvers")
    resolver = ElementTree.SubElement(resolvers, "ibiblio", name="maven", m2compatible="true")
    mirror = os.environ.get("CLICKWATCH_MAVEN_REPOSITORY")
    if mirror:
        resolver.set("root", mirror)
    return ElementTree.tostring(root, encoding="unicode")


def _module(artifacts: tuple[Artifact, ...]) -> str:
    root = ElementTree.Element("ivy-module", {"version": "2.0", "xmlns:m": "http://ant.apache.org/ivy/maven"})
    ElementTree.SubElement(root, "info", organisation="clickwatch", module="jars")
    configurations = ElementTree.SubElement(root, "configurations")
    ElementTree.SubElement(configurations, "conf", name="default")
    dependencies = ElementTree.SubElement(root, "dependencies")
    for one in artifacts:
        dependency = ElementTree.SubElement(
            dependencies,
            "dependency",
            org=one.group,
            name=one.name,
            rev=one.version,
            transitive="true" if one.with_dependencies else "false",
            conf="default->runtime,master,compile" if one.with_dependencies else "default->*",
        )
        if one.classifier is not None:
            attributes = {"name": one.name, "type": one.kind, "ext": one.kind, "m:classifier": one.classifier}
            ElementTree.SubElement(dependency, "artifact", attributes)
    return ElementTree.tostring(root, encoding="unicode")
