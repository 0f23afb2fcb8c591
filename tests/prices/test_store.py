"""The compiled prices on disk: loaded fast, never trusted blindly, shared by processes, dispensable."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices import load_price_book
from ai_cost_calc.prices.source import installed
from ai_cost_calc.prices.terms import TERMS

LOAD = """
import json, sys
from pathlib import Path
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.prices import load_price_book
faults = []
book = load_price_book(Path(sys.argv[1]), on_fault=lambda where, error: faults.append(where))
cost = book.price(Usage(input_tokens=1000, output_tokens=100), provider="openai", model="gpt-4o", at=1.8e9)
heavy = sorted({"genai_prices", "pydantic", "httpx", "httpx2"} & sys.modules.keys())
print(json.dumps({"nanos": cost.nanos, "version": book.version, "faults": faults, "heavy": heavy}))
"""


def load_in_a_process(folder: Path) -> dict[str, object]:
    """What a fresh process gets from this folder."""
    done = subprocess.run([sys.executable, "-c", LOAD, str(folder)], check=True, capture_output=True, text=True)
    loaded = json.loads(done.stdout)
    assert isinstance(loaded, dict)
    return loaded


def prices_gpt_4o(book: PriceBook) -> bool:
    """Whether the book works: 1,000 in at 2.50 a million."""
    cost = book.price(Usage(input_tokens=1_000), provider="openai", model="gpt-4o", at=1.8e9)
    return cost.nanos == 2_500_000


def test_a_second_process_imports_no_genai_prices(tmp_path: Path) -> None:
    """The first process compiles; the next one loads what it kept, without genai-prices, pydantic or an HTTP client."""
    first, second = load_in_a_process(tmp_path), load_in_a_process(tmp_path)
    assert first["heavy"] == ["genai_prices", "httpx2", "pydantic"]
    assert second["heavy"] == []
    assert first["nanos"] == second["nanos"] == 3_500_000
    assert first["version"] == second["version"] == f"{installed()}.{TERMS.edition}"


def test_processes_that_start_together_share_one_file(tmp_path: Path) -> None:
    """Eight processes that all find nothing all get prices, and leave one whole file and nothing else."""
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(load_in_a_process, [tmp_path / "prices"] * 8))
    assert {one["nanos"] for one in loaded} == {3_500_000}
    assert [one["faults"] for one in loaded] == [[]] * 8
    assert len(list((tmp_path / "prices").iterdir())) == 1
    assert load_in_a_process(tmp_path / "prices")["heavy"] == []


def kept_file(folder: Path) -> Path:
    """The one file in the folder."""
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("damage", ["cut", "empty", "one bit", "grown", "another version"])
def test_a_damaged_file_is_compiled_anew(kept_prices: Path, tmp_path: Path, damage: str) -> None:
    """What is not exactly what was written is not used, and is replaced."""
    whole = kept_file(kept_prices).read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "one bit": whole[:5_000] + bytes([whole[5_000] ^ 1]) + whole[5_001:],
        "grown": whole + b"\0",
        "another version": whole.replace(b"genai-prices-", b"genai_prices-"),
    }[damage]
    path = tmp_path / kept_file(kept_prices).name
    path.write_bytes(damaged)
    assert prices_gpt_4o(load_price_book(tmp_path))
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_other_structure_is_compiled_anew(kept_prices: Path, tmp_path: Path) -> None:
    """A file that is whole but means something else is not used either."""
    from hashlib import sha256  # noqa: PLC0415 - only here

    for body in (b"\x93\x01\x02\x03", b"\xc1", b"\x93\xa1x\x90\x90"):
        path = tmp_path / kept_file(kept_prices).name
        path.write_bytes(sha256(body).digest() + body)
        assert prices_gpt_4o(load_price_book(tmp_path))
        assert path.read_bytes() == kept_file(kept_prices).read_bytes()


def test_a_disk_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """Prices are then kept in memory, and whoever asked is told."""
    (tmp_path / "file").write_text("no folder")
    told: list[tuple[str, BaseException]] = []
    book = load_price_book(tmp_path / "file" / "prices", on_fault=lambda where, error: told.append((where, error)))
    assert prices_gpt_4o(book)
    ((where, error),) = told
    assert "cannot be kept" in where
    assert isinstance(error, OSError)


def test_a_fault_that_nobody_asked_about_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a callback, the log says why every process compiles anew."""
    (tmp_path / "file").write_text("no folder")
    assert prices_gpt_4o(load_price_book(tmp_path / "file"))
    assert "cannot be kept" in caplog.text


def test_without_genai_prices_every_model_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation breaks no call: there is a book, it knows no model, and the fault is told."""
    monkeypatch.setattr("ai_cost_calc.prices.source.find_spec", lambda name: None)
    told: list[BaseException] = []
    book = load_price_book(tmp_path, on_fault=lambda where, error: told.append(error))
    assert book.price(Usage(input_tokens=1), provider="openai", model="gpt-4o", at=1.8e9).nanos is None
    assert isinstance(told[0], ModuleNotFoundError)
    assert "pip install genai-prices" in str(told[0])


def test_without_a_folder_the_users_cache_is_used(tmp_path: Path) -> None:
    """Processes of one user share what is compiled, where the system keeps caches."""
    code = LOAD.replace("Path(sys.argv[1])", "None")
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": ""}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    assert kept_file(tmp_path / "cache" / "ai-cost-calc" / "prices").name.startswith("genai-prices-")


def test_the_version_names_release_and_data(book: PriceBook) -> None:
    """A record's price version says which release of genai-prices, which bytes and which terms its cost comes from."""
    data = installed()
    assert book.version == f"genai-prices-{data.release}+{data.digest[:12]}.{TERMS.edition}"
    assert len(data.digest) == 64
    assert book.price(Usage(), provider="openai", model="gpt-4o", at=1.8e9).price_version == book.version


def test_the_release_is_known_without_a_folder_beside_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packaged in another way, the release is asked from the installation's metadata."""
    expected = installed().release
    monkeypatch.setattr("pathlib.Path.glob", lambda self, pattern: iter(()))
    assert installed().release == expected


def test_no_half_written_file_is_left_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails midway leaves the folder as it was."""

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    told: list[str] = []
    assert prices_gpt_4o(load_price_book(tmp_path, on_fault=lambda where, error: told.append(where)))
    assert len(told) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_new_kind_of_constraint_is_not_taken_for_none() -> None:
    """If a release of genai-prices limits prices in a way we do not know, compiling says so instead of ignoring it."""
    from ai_cost_calc.prices.compile import _times  # noqa: PLC0415 - imports genai-prices

    with pytest.raises(TypeError, match="new kind of constraint: str"):
        _times("only on Sundays")
