"""The Ray engine on this machine: the contract of engines, workers that are lost, equal results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import REPOSITORY, random_chain

import ppi
from ppi.cli import main
from ppi.engines.base import Resources
from ppi.engines.build import build_engine
from ppi.errors import InputError, PpiError, SettingsError
from ppi.prediction.screening import run as run_module
from ppi.prediction.screening import targets as targets_module
from ppi.prediction.screening.output import write_part
from ppi.study.run import run_study
from studies import write_study

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'ppi-affinity[ray]'")
pytestmark = pytest.mark.slow
BOTH = Resources(workers=2)


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """A cluster with two processors, and two GPUs that only Ray believes in."""
    init = ray.init
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ADDRESS", "local")
        patch.setattr(ray, "init", lambda **options: init(**{**options, "num_cpus": 2, "num_gpus": 2}))
        with build_engine("ray").opened(BOTH):
            yield


def mapped(setup: Callable[[], Callable[[int], object]], items: object, resources: Resources = BOTH) -> list:
    return list(build_engine("ray").map(setup, items, resources))


def worker_pids(parent: int) -> list[int]:
    """Return the processes of actors below a process."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    parents = {int(pid): int(of) for pid, of, _ in rows}
    return [int(pid) for pid, of, text in rows if "ray::_Actor" in text and parents.get(int(of)) == parent]


def test_results_come_in_order_and_few_items_are_taken_ahead() -> None:
    def setup() -> Callable[[int], tuple[int, int]]:
        def slow(number: int) -> tuple[int, int]:
            time.sleep(0.1 if number % 2 else 0.01)
            return number**2, os.getpid()

        return slow

    taken = []

    def items() -> Iterator[int]:
        for number in range(30):
            taken.append(number)
            yield number

    found = build_engine("ray").map(setup, items(), BOTH)
    results = [next(found)]
    assert len(taken) <= 8
    results += found
    assert [square for square, _ in results] == [number**2 for number in range(30)]
    assert len({pid for _, pid in results}) == 2


def test_each_worker_is_set_up_once_with_one_processor(tmp_path: Path) -> None:
    def setup() -> Callable[[int], int]:
        from data_curation.processors import available_processors

        (tmp_path / str(os.getpid())).touch(exist_ok=False)
        return lambda _: available_processors()

    assert set(mapped(setup, range(20))) == {1}
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_workers_are_used_again_by_the_next_call() -> None:
    def setup() -> Callable[[int], int]:
        made = os.getpid()
        return lambda _: made

    engine = build_engine("ray")
    first = set(engine.map(setup, range(10), BOTH))
    # The first worker may have done all of it before the second had started.
    assert first & set(engine.map(setup, range(10), BOTH))


def test_an_error_of_a_task_or_a_setup_is_the_same_as_here() -> None:
    def setup() -> Callable[[int], int]:
        def work(number: int) -> int:
            if number == 3:
                raise InputError("side 'x' is too long")
            return number

        return work

    def broken() -> Callable[[int], int]:
        raise SettingsError("no such device")

    with pytest.raises(InputError, match="^side 'x' is too long$"):
        mapped(setup, range(100))
    with pytest.raises(SettingsError, match="^no such device$"):
        mapped(broken, range(100))


def test_no_task_runs_after_an_error(tmp_path: Path) -> None:
    def setup() -> Callable[[int], None]:
        def work(number: int) -> None:
            (tmp_path / str(number)).touch()
            if number == 2:
                raise InputError("stop")
            time.sleep(0.1)

        return work

    with pytest.raises(InputError):
        mapped(setup, range(100))
    time.sleep(0.5)
    before = len(list(tmp_path.iterdir()))
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) == before < 20


def test_a_killed_worker_loses_nothing_and_finished_tasks_are_not_repeated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def setup() -> Callable[[int], int]:
        def work(number: int) -> int:
            if number == 7 and not (tmp_path / "killed").exists():
                (tmp_path / "killed").touch()
                time.sleep(1)  # Results of earlier tasks arrive.
                os.kill(os.getpid(), signal.SIGKILL)
            (tmp_path / str(number)).open("a").write("x")
            return number

        return work

    assert mapped(setup, range(40)) == list(range(40))
    assert {(tmp_path / str(number)).read_text() for number in range(7)} == {"x"}
    assert capfd.readouterr().out == ""


def test_a_task_that_ends_every_worker_is_one_error() -> None:
    def setup() -> Callable[[int], None]:
        return lambda _: os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(PpiError, match="3 workers ended while they had the same task. They may have run out"):
        mapped(setup, range(3))


def test_a_worker_with_a_gpu_sees_no_other() -> None:
    def setup() -> Callable[[int], str]:
        def visible(_: int) -> str:
            time.sleep(0.5)  # long enough for the second worker to start meanwhile
            return os.environ["CUDA_VISIBLE_DEVICES"]

        return visible

    assert set(mapped(setup, range(40), Resources(2, gpu=True))) == {"0", "1"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Random sides, and two measured complexes from which predictions start."""
    folder, random = tmp_path_factory.mktemp("sides"), np.random.default_rng(3)
    known = [
        ppi.read_complexes(REPOSITORY / "examples" / f"{name}.fasta").complexes[0]
        for name in ("barnase_barstar", "hyhel10_lysozyme")
    ]
    paths = []
    for role in ("ligand", "receptor"):
        sides = {item.id: ":".join(getattr(item, role)) for item in known}
        sides |= {f"{role}{number}": random_chain(random, 40) for number in range(9)}
        paths.append(folder / f"{role}s.fasta")
        paths[-1].write_text("".join(f">{name}\n{chains}\n" for name, chains in sides.items()))
    return paths


@pytest.mark.parametrize("block", [33, 11])  # Tasks are parts of blocks, or blocks.
def test_a_screen_with_a_killed_worker_has_the_same_bytes(
    block: int, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "BLOCK_PAIRS", block)
    words = ["screen", *map(str, files), "--top-k", "8", "--output"]
    local, remote = tmp_path / "local.csv", tmp_path / "remote.csv"
    main([*words, str(local)])
    write, written, killed = write_part, list[Path](), list[int]()

    def kill(frame: pd.DataFrame, path: Path) -> None:
        write(frame, path)
        written.append(path)
        if len(written) == 2:
            killed.append(worker_pids(os.getpid())[0])
            os.kill(killed[0], signal.SIGKILL)

    monkeypatch.setattr(run_module, "write_part", kill)
    main([*words, str(remote), "--engine", "ray", "--workers", "2"])
    assert remote.read_bytes() == local.read_bytes()
    assert killed
    assert len(set(written)) == len(written) == 121 // block + (121 % block > 0)
    assert not list(tmp_path.glob("*.unfinished"))


def test_an_interrupted_screen_goes_on_with_the_other_engine(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets_module, "BLOCK_PAIRS", 11)
    local, mixed = tmp_path / "local.parquet", tmp_path / "mixed.parquet"
    words = ["screen", *map(str, files), "--output"]
    main([*words, str(local)])
    write, written = write_part, list[Path]()

    def stop(frame: pd.DataFrame, path: Path) -> None:
        if len(written) == 3:
            raise KeyboardInterrupt
        write(frame, path)
        written.append(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "write_part", stop)
        with pytest.raises(SystemExit, match="130"):
            main([*words, str(mixed), "--engine", "ray"])
    main([*words, str(mixed), "--resume"])
    assert mixed.read_bytes() == local.read_bytes()


def test_a_side_that_is_too_long_is_the_same_line(
    files: list[Path], model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / "long.fasta"
    long.write_text(f">long\n{'ACDEFGHIKL' * 2000}\n")
    lines = []
    for engine in ("local", "ray"):
        with pytest.raises(SystemExit, match="1"):
            main(
                ["screen", str(long), str(files[1]), "--output", str(tmp_path / "x.csv"), "--engine", engine]
            )
        lines.append([line for line in capsys.readouterr().err.splitlines() if "error" in line])
    assert lines[0] == lines[1]
    assert "'long' has a chain of 20000 residues" in lines[0][0]


def test_embeddings_are_the_same_bits(table_path: Path, tmp_path: Path) -> None:
    outputs = []
    for engine in ("local", "ray"):
        store, output = tmp_path / engine, tmp_path / f"{engine}.npz"
        words = ["embed", str(table_path), "--backbone", "random-esm2-8m-seed0", "--precision", "float32"]
        words += ["--store", str(store), "--output", str(output), "--device", "cpu", "--engine", engine]
        main([*words, "--token-budget", "300"])
        outputs.append(np.load(output))
    assert list(outputs[0]) == list(outputs[1])
    assert all(np.array_equal(outputs[0][name], outputs[1][name]) for name in outputs[0])


def test_a_study_has_the_same_scores(table_path: Path, tmp_path: Path) -> None:
    config = write_study(tmp_path, table_path, seeds=[0])
    tables = [
        run_study(
            config,
            output=tmp_path / engine,
            jobs=2,
            device="cpu",
            engine=engine,
        ).drop(columns="training_seconds")
        for engine in ("local", "ray")
    ]
    pd.testing.assert_frame_equal(*tables)


def test_a_cell_whose_worker_is_killed_is_started_again(table_path: Path, tmp_path: Path) -> None:
    config = write_study(tmp_path, table_path, seeds=[0], grid={"head": ["hp"]})
    killed = list[int]()

    def kill() -> None:
        while not killed:
            time.sleep(0.05)
            listed = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
            killed.extend(int(line.split()[0]) for line in listed.stdout.splitlines() if "ray::_run" in line)
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    table = run_study(config, output=tmp_path / "out", device="cpu", engine="ray")
    thread.join(1)
    assert killed
    assert "hp" in set(table["predictor"])


# The program waits after the first part, so that the screen is not finished when the signal comes. A shell
# that runs the tests in the background lets its programs ignore this signal.
_INTERRUPTED = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from ppi.prediction.screening import run, targets
from ppi.cli import main
targets.BLOCK_PAIRS = 11
write = run.write_part
run.write_part = lambda *given: (write(*given), time.sleep(30))
main({words!r})
"""


def test_ctrl_c_leaves_no_process(files: list[Path], tmp_path: Path) -> None:
    output, mark = tmp_path / "out.csv", f"PPI_TEST_MARK={os.getpid()}"
    words = ["screen", *map(str, files), "--output", str(output), "--engine", "ray", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED.format(words=words)],
        env=os.environ | {"PPI_TEST_MARK": str(os.getpid())},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    work = tmp_path / "out.csv.unfinished"
    while process.poll() is None and not list(work.glob("part-*")):
        time.sleep(0.1)
    assert len(marked(mark)) > 3  # the program, the parts of Ray, the workers
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "ppi: error: interrupted"
    until = time.monotonic() + 30
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.2)
    assert left == []
    assert list(work.glob("part-*"))


def marked(mark: str) -> list[int]:
    """Return the processes with a variable in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # It has just ended, or is of another user.
            continue
    return found


@pytest.mark.parametrize(
    ("address", "text"),
    [("127.0.0.1:1", "Connection refused"), ("ray://127.0.0.1:1", "Ray Client"), ("nonsense", "invalid")],
)
def test_a_cluster_that_does_not_answer_is_one_line(address: str, text: str, files: list[Path]) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "ppi", "screen", *map(str, files), "--estimate", "--engine", "ray"],
        env=os.environ | {"RAY_ADDRESS": address},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    (line,) = process.stderr.splitlines()
    assert f"no Ray cluster answers at {address} (RAY_ADDRESS)" in line
    assert text in line


def test_the_cluster_that_another_program_has_for_itself_is_not_joined(files: list[Path]) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "ppi", "screen", *map(str, files), "--estimate", "--engine", "ray"],
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Ray: started a cluster on this machine" in process.stderr


_NODE_LOST = """
import os, time
from ray.cluster_utils import Cluster
from ppi.engines.base import Resources
from ppi.engines.build import build_engine
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
node = cluster.add_node(num_cpus=1)
os.environ["RAY_ADDRESS"] = cluster.address

def setup():
    import ray
    place = ray.get_runtime_context().get_node_id()
    def work(number):
        time.sleep(0.2)
        return number, place
    return work

engine, both = build_engine("ray"), Resources(2)
with engine.opened(both):
    assert engine.workers(Resources()) == 2
    results = []
    for result in engine.map(setup, range(60), both):
        results.append(result)
        if len({place for _, place in results}) == 2 and node is not None:
            cluster.remove_node(node, allow_graceful=False)
            node = None
    assert node is None
    assert [number for number, _ in results] == list(range(60))
cluster.shutdown()
"""


def test_the_tasks_of_a_node_that_is_lost_are_done_by_others() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    subprocess.run([sys.executable, "-c", _NODE_LOST], env=environment, check=True, timeout=300)


def test_the_recipes_can_be_read() -> None:
    folder = REPOSITORY / "examples" / "cluster"
    subprocess.run(["bash", "-n", str(folder / "slurm.sh")], check=True)
    job = yaml.safe_load((folder / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]["rayClusterSpec"]
    pods = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    images = {pod["template"]["spec"]["containers"][0]["image"] for pod in pods}
    assert len(images) == 1
    assert f"ray[default]=={spec['rayVersion']}" in (folder / "rayjob.yaml").read_text()
    for text in (job["spec"]["entrypoint"], (folder / "slurm.sh").read_text().rpartition("ppi screen")[2]):
        given = {word for word in text.split() if word.startswith("--")}
        assert given <= {"--output", "--top-k", "--engine", "--device", "--max-hours", "--resume"}
