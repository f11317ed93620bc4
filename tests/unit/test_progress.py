"""Messages and progress: what is logged, how often, and where it goes."""

from __future__ import annotations

import logging
import sys

import pytest

from data_curation.splits import clustering
from ppi.cli import main
from ppi.messages import show_messages
from ppi.progress import Pace, format_speed, listening, progress_bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that `ppi.progress` sees."""
    now = [100.0]
    monkeypatch.setattr("ppi.progress.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("speed", "text"),
    [(1234.4, "1,234 orders/s"), (10, "10 orders/s"), (2.54, "2.5 orders/s"), (0.125, "8.0 s each")],
)
def test_a_slow_speed_is_the_time_of_a_unit(speed: float, text: str) -> None:
    assert format_speed(speed, "orders") == text


def test_a_line_is_due_each_30_seconds(clock: list[float]) -> None:
    pace = Pace()
    due = []
    for clock[0] in (100, 129, 130, 131, 159, 200):
        due.append(pace.due())
    assert due == [False, False, True, False, False, True]


def test_progress_is_logged_where_there_is_no_terminal(
    clock: list[float], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, logger="ppi")
    with progress_bar("embedding", 10_000, "residues") as advance:
        advance(1000)
        clock[0] += 40
        advance(1000)
        advance(1000)
    assert caplog.messages == [
        "embedding: 2,000 of 10,000 residues, 50 residues/s, about 160 s left",
    ]
    assert capsys.readouterr().out == ""


def test_a_terminal_shows_one_bar_at_a_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress_bar("screening", 10, "pairs") as outer:
        with progress_bar("embedding", 10, "residues") as inner:
            inner(10)
        outer(10)
    with progress_bar("writing", 10, "rows") as advance:
        advance(10)
    shown = capsys.readouterr().err
    assert "screening" in shown
    assert "writing" in shown
    assert "embedding" not in shown


def test_a_listener_gets_progress_and_can_stop_the_work() -> None:
    events: list[tuple[str, int, int]] = []

    def listener(what: str, done: int, total: int) -> None:
        events.append((what, done, total))
        if done == 7:
            raise InterruptedError

    with (
        pytest.raises(InterruptedError),
        listening(listener),
        progress_bar("screening", 10, "pairs") as advance,
    ):
        advance(3)
        advance(4)
        advance(1)
    with progress_bar("writing", 10, "rows") as advance:
        advance(10)
    assert events == [("screening", 0, 10), ("screening", 3, 10), ("screening", 7, 10)]


def test_a_long_run_of_mmseqs_is_mentioned(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clustering, "_LINE_SECONDS", 0.2)
    caplog.set_level(logging.INFO, logger="data_curation")
    printed = clustering._run([sys.executable, "-c", "import time; time.sleep(0.7); print('done')"])
    assert printed == "done\n"
    assert caplog.messages[0].startswith("mmseqs -c has been running for 0 s")


def test_the_command_line_shows_messages_as_plain_lines_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(["predict", "absent.fasta"])
    capsys.readouterr()
    show_messages()
    logging.getLogger("ppi.training.ensemble").info("member %d of %d", 1, 2)
    logging.getLogger("data_curation.audit.run").info("searching")
    logging.getLogger("ppi.training.ensemble").debug("not for a user")
    captured = capsys.readouterr()
    assert captured.err == "member 1 of 2\nsearching\n"
    assert captured.out == ""
