# Macros for BUILD files: a package says what is special about it, these say the rest.


def library(
    package,
    resolves=["default"],
    dependencies=[],
    test_dependencies=[],
    test_packages=[],
    apart=[],
    **test_options,
):
    """A package under libs/: its modules for each resolve that uses them, its tests once.

    `apart` names modules that stand in a target of their own; `test_packages` are programs that its tests run.
    """
    python_sources(
        name="lib",
        sources=[f"{package}/**/*.py", *(f"!{package}/{module}" for module in apart)],
        resolve=parametrize(*resolves),
        dependencies=dependencies,
    )
    # mypy would see several modules of the one name that pytest wants.
    python_test_utils(name="test_utils", sources=["tests/conftest.py"], resolve=resolves[0], skip_mypy=True)
    python_tests(
        name="tests",
        sources=["tests/test_*.py"],
        resolve=resolves[0],
        dependencies=test_dependencies,
        runtime_package_dependencies=test_packages,
        **test_options,
    )


def knows_no_service():
    """Refuse imports of (other) services, which are known by a topic, a table or a file.

    Tests may start their programs, and look at what watches them.
    """
    outside = ("//libs/**", "//schemas/**", "//3rdparty/**")
    __dependencies_rules__(
        ({"type": "python_tests"}, "/**", *outside, "//services/**", "//deploy/monitoring/**", "!*"),
        ("*", "/**", *outside, "!*"),
    )


def service(
    name,
    package,
    version,
    resolve="default",
    other_resolves=[],
    dependencies=[],
    program_dependencies=[],
    test_dependencies=[],
    test_packages=[],
    **test_options,
):
    """A package under services/: its modules, its program NAME.pex, its tests.

    `./pants run services/NAME -- …` runs it; `./pants peek services/NAME` tells its version.
    `other_resolves` names further resolves that its modules are built for; `:lib@resolve=…` are they then.
    `program_dependencies` are in the program but not in the image, which brings them another way.
    """
    knows_no_service()
    # The image's target stands in the folder docker, where `run` does not see it; its version stands here alone.
    __defaults__({docker_image: {"image_tags": [version, "{build_args.REVISION}"], "image_labels": _labels(version)}})
    python_sources(
        name="lib",
        sources=[f"{package}/**/*.py"],
        resolve=parametrize(resolve, *other_resolves) if other_resolves else resolve,
        dependencies=dependencies,
    )
    pex_binary(
        name=name,
        entry_point=f"{package}/__main__.py",
        dependencies=[f":lib@resolve={resolve}" if other_resolves else ":lib", *program_dependencies],
        resolve=resolve,
        output_path=f"{name}.pex",
        # Packed, an edit rebuilds kilobytes; as a venv, a start costs nothing extra.
        layout="packed",
        execution_mode="venv",
        include_tools=True,
        tags=[f"version={version}"],
    )
    # mypy would see several modules of the one name that pytest wants.
    python_test_utils(name="test_utils", sources=["tests/conftest.py"], resolve=resolve, skip_mypy=True)
    python_tests(
        name="tests",
        sources=["tests/test_*.py"],
        resolve=resolve,
        dependencies=test_dependencies,
        runtime_package_dependencies=test_packages,
        **test_options,
    )


def _labels(version):
    label = "org.opencontainers.image."
    return {
        f"{label}version": version,
        f"{label}revision": "{build_args.REVISION}",
        f"{label}source": "{build_args.SOURCE_URL}",
        f"{label}licenses": "MIT",
    }


def healthy(name):
    """A container's health check: the service has said lately that each of its parts works."""
    # As a file, without what its package imports: health is asked for every few seconds.
    file = "/app/lib/python3.11/site-packages/clickwatch_service/healthy.py"
    return ["python", "-I", "-S", file, name]


def image(
    name,
    package,
    resolve="default",
    library=None,
    also=[],
    healthcheck=None,
    stages=[],
    content=[],
    dependencies=[],
    folder=None,
    part_prefix="",
):
    """The image of a service, clickwatch/NAME; in the BUILD file of services/NAME/docker.

    What the service depends on and its own code are layers apart, each from a PEX of its own: an edit
    rebuilds kilobytes. Nothing is downloaded but the base, which PYTHON_IMAGE names.

    `also` are modules that nothing of the service imports; `healthcheck` is a command's words, None for a
    program that does one thing and ends; `stages` go before the last stage of the Dockerfile, `content`
    into it before the service; both may copy `dependencies`. A second image of a service stands in its
    `folder` too, with a `part_prefix` for its PEXes.
    """
    folder = (folder or f"services/{name}/docker").replace("/", ".")
    libraries = [library or f"services/{name}:lib", *also]
    if healthcheck:
        libraries.append(f"libs/service/clickwatch_service/healthy.py:../lib@resolve={resolve}")
    for part in ("deps", "srcs"):
        pex_binary(
            name=part_prefix + part,
            dependencies=libraries,
            resolve=resolve,
            include_sources=part == "srcs",
            include_requirements=part == "deps",
            layout="packed",
            execution_mode="venv",
            include_tools=True,
        )
    words = ", ".join(f'"{word}"' for word in healthcheck or [])
    docker_image(
        name=name,
        dependencies=[f":{part_prefix}deps", f":{part_prefix}srcs", *dependencies],
        instructions=[
            "ARG PYTHON_IMAGE",
            "ARG JRE_IMAGE",
            "FROM $PYTHON_IMAGE AS deps",
            f"COPY {folder}/{part_prefix}deps.pex /deps.pex",
            "RUN PEX_TOOLS=1 python3.11 /deps.pex venv --scope=deps --compile /app",
            "FROM $PYTHON_IMAGE AS srcs",
            f"COPY {folder}/{part_prefix}srcs.pex /srcs.pex",
            "RUN PEX_TOOLS=1 python3.11 /srcs.pex venv --scope=srcs --compile /app",
            *stages,
            "FROM $PYTHON_IMAGE",
            "RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp clickwatch"
            " && install -d -o clickwatch -g clickwatch /data",
            *content,
            "COPY --from=deps /app /app",
            "COPY --from=srcs /app /app",
            "ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 LOG_FORMAT=json DATA_DIR=/data",
            "VOLUME /data",
            "WORKDIR /data",
            "USER clickwatch",
            f"HEALTHCHECK --start-period=120s --interval=15s --timeout=15s CMD [{words}]"
            if words
            else "HEALTHCHECK NONE",
            f'ENTRYPOINT ["python", "-m", "{package}"]',
        ],
    )
