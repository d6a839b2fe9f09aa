# Macros for BUILD files: a package says what is special about it, these say the rest.


def library(package, resolves=["default"], dependencies=[], test_dependencies=[]):
    """A package under libs/: its modules for each resolve that uses them, its tests once."""
    python_sources(
        name="lib",
        sources=[f"{package}/**/*.py"],
        resolve=parametrize(*resolves),
        dependencies=dependencies,
    )
    python_tests(
        name="tests", sources=["tests/test_*.py"], resolve=resolves[0], dependencies=test_dependencies
    )


def knows_no_service():
    """Refuse imports of (other) services, which are known by a topic, a table or a file.

    Tests may start their programs.
    """
    outside = ("//libs/**", "//schemas/**", "//3rdparty/**")
    __dependencies_rules__(
        ({"type": "python_tests"}, "/**", *outside, "//services/*:*", "!*"),
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
