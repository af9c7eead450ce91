from tests.simulation.history import run
import os, time


def test_one():
    a = int(os.environ.get("A", "0"))
    b = int(os.environ.get("B", "5"))
    for seed in range(a, b):
        t = time.perf_counter()
        log = run(seed)
        print(seed, len(log), round(time.perf_counter() - t, 3), log[-1])
