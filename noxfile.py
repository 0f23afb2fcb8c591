# /// script
# dependencies = ["nox[uv]>=2026.8"]
# ///
"""What is checked, and how: `nox` runs everything but `bench` and `compare`, `nox -s NAME` one session.

The tests run on the Python that runs nox; `nox -s tests` runs them on each supported one that is installed.
Every session installs the package as users get it, not editable, beside the versions that uv.lock names.
"""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.8"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # a version of Python that is not here is skipped, and said so
nox.options.sessions = ["lint", "typing", "layers", "docs", "tests-{}.{}".format(*sys.version_info)]

OFFICIAL_CLIENT = "ai-cost-calc==1.3.13"
PRICE_TABLES = ["litellm==1.106.2", "tokencost==0.1.26", "openai-cost-calculator==1.3.0"]
OTHERS = {
    "opentelemetry": [
        "openai>=3,<4",
        "httpx",  # openai-v2 imports it and does not ask for it
        "opentelemetry-instrumentation-openai-v2==2.4b0",
        "opentelemetry-sdk",
        "opentelemetry-util-genai==1.1b0",  # the last one with a module that openai-v2 imports
    ],
    "openllmetry": ["openai>=3,<4", "opentelemetry-instrumentation-openai", "opentelemetry-sdk"],
    "langfuse": ["openai>=3,<4", "langfuse"],
}
"""What else watches calls of the openai SDK, and what to install of it."""
PYTHONS = ["3.11", "3.12", "3.13"]
FOR_TESTS = ["--all-extras", "--group=tests"]
AT_ONCE = "--numprocesses=auto"
MEETS_OPENAI = [
    str(path)
    for folder in ("tests/client", "tests/providers/seams")
    for path in sorted(Path(folder).glob("test_*.py"))
    if "openai" in path.read_text(encoding="utf-8")
]


def install(session: nox.Session, *options: str) -> None:
    """Make the session's environment exactly what uv.lock says for `options`, which choose groups and extras."""
    session.run_install(
        "uv",
        "sync",
        "--frozen",
        "--quiet",
        "--no-default-groups",
        "--no-editable",
        "--reinstall-package=ai-cost-calc",  # uv would keep a build of older sources
        f"--python={session.virtualenv.location}",
        *options,
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check the form of the code, and that uv.lock fits pyproject.toml."""
    install(session, "--only-group=lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("uv", "lock", "--check", "--quiet", f"--python={session.virtualenv.location}")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types, strictly, with every client and backend installed."""
    install(session, "--all-extras", "--group=typing", "--group=openai3")
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports point inwards, as the contracts in pyproject.toml say."""
    install(session, "--group=layers")
    session.run("lint-imports", "--no-cache", "--no-logo", env={"COLUMNS": "120"})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning or a broken link fails."""
    install(session, "--only-group=docs")
    session.run("zensical", "build", "--clean", "--strict")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the suite, what meets OpenAI's client on both of its majors, with branch coverage of at least 90 %."""
    if session.posargs:
        install(session, *FOR_TESTS, "--group=openai3")
        session.run("pytest", *session.posargs)
        return
    measured = {"COVERAGE_FILE": str(Path(session.virtualenv.location).resolve() / ".coverage")}
    install(session, *FOR_TESTS, "--group=openai2")
    session.run("coverage", "erase", env=measured)
    session.run("coverage", "run", "-m", "pytest", AT_ONCE, *MEETS_OPENAI, env=measured)
    install(session, *FOR_TESTS, "--group=openai3")
    session.run("coverage", "run", "-m", "pytest", AT_ONCE, env=measured)
    session.run("coverage", "combine", "--quiet", env=measured)
    session.run("coverage", "report", env=measured)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the call path beside the official client and others' instrumentation, each in its own environment."""
    install(session, "--extra=demo", "--group=bench", "--group=openai3")
    official = environment(session, "official-client", OFFICIAL_CLIENT)
    others = [f"--other={name}={environment(session, name, *needs)}" for name, needs in OTHERS.items()]
    session.run("python", "-m", "benchmarks", "--official-python", official, *others, *session.posargs)


@nox.session
def compare(session: nox.Session) -> None:
    """Compare prices with other libraries', each in an environment of its own, and write the page about it."""
    install(session, "--group=bench")
    names = {requirement.partition("==")[0]: requirement for requirement in PRICE_TABLES}
    peers = [f"--peer={name}={environment(session, f'prices-of-{name}', need)}" for name, need in names.items()]
    session.run("python", "-m", "benchmarks.comparison", *peers, *session.posargs)


def environment(session: nox.Session, name: str, *needs: str) -> str:
    """Make an environment with these packages, one of which may have our name; returns its Python."""
    folder = Path(session.cache_dir).resolve() / name
    session.run_install("uv", "venv", "--quiet", "--clear", f"--python={session.virtualenv.location}", str(folder))
    session.run_install("uv", "pip", "install", "--quiet", f"--python={folder}", *needs)
    return str(folder / "bin/python")
