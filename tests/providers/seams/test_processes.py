"""What becomes of open streams when a process ends or forks, and what is loaded before anything is wrapped."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import atexit, os, sys
    import openai
    from ai_cost_calc.providers import provider_for
    from ai_cost_calc.testing import ProviderSimulator
    from tests.providers.seams.recording import RecordedCall, RecordingMeter

    class Telling(RecordedCall):
        def end(self, *, error=None, aborted=False):
            tokens = self.usage.input_tokens
            os.write(1, f"{kind} ended, aborted={aborted}, {tokens} tokens\\n".encode())

    class Meter(RecordingMeter):
        def begin(self, request):
            return Telling(request)

    atexit.register(os._exit, 0)  # CPython 3.13 crashes if it has to tear down an open stream, a bare client's too
    kind = "parent"
    simulator = ProviderSimulator(chunk_delay_ms=1, text="word " * 50).start()
    client = openai.OpenAI(base_url=simulator.openai_base_url, api_key="any")
    provider_for(client).wrap(client, Meter())
    stream = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "Write fifty words."}], stream=True
    )
    next(stream)
"""


def run(program: str) -> str:
    """What a program prints."""
    source = textwrap.dedent(PROGRAM) + textwrap.dedent(program)
    environment = os.environ | {"PYTHONPATH": os.getcwd()}  # noqa: PTH109 - where the tests are imported from
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], capture_output=True, text=True, timeout=60, env=environment,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_stream_open_at_exit_is_concluded() -> None:
    """A process that ends under a stream tells of it, once."""
    assert run("") == "parent ended, aborted=True, 9 tokens\n"


def test_a_stream_dropped_before_exit_is_concluded_once() -> None:
    """A stream that was dropped is not told of again at exit."""
    assert run("del stream; import gc; gc.collect()") == "parent ended, aborted=True, 9 tokens\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_leaves_its_parents_streams_alone() -> None:
    """Of a stream that was open when the process forked, the parent tells and the child does not."""
    told = run("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and forks, from Python 3.12
        child = os.fork()
        if child == 0:
            kind = "child"
            from ai_cost_calc.providers import end_streams
            end_streams()
            del stream
            import gc
            gc.collect()
            end_streams()
            os._exit(0)
        os.waitpid(child, 0)
    """)
    assert told == "parent ended, aborted=True, 9 tokens\n"


def test_no_sdk_is_loaded_before_its_client_comes() -> None:
    """The package of providers, and asking it about an unknown object, load no SDK and no HTTP client."""
    source = """
        import sys
        from ai_cost_calc.errors import UnsupportedClient
        from ai_cost_calc.providers import end_streams, provider_for, settle_dropped
        end_streams()
        settle_dropped()
        try:
            provider_for(object())
        except UnsupportedClient:
            pass
        loaded = {"openai", "anthropic", "httpx", "httpx2", "pydantic"} & sys.modules.keys()
        assert not loaded, loaded
        import ai_cost_calc.providers.openai, ai_cost_calc.providers.anthropic
        loaded = {"openai", "anthropic", "httpx", "httpx2", "pydantic"} & sys.modules.keys()
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(source)], timeout=60, check=True)
