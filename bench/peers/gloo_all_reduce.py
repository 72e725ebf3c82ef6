"""The gloo peer of the all-reduce and barrier benchmarks: torch.distributed, a process a rank.

Measures every size of both types and prints a JSON line each; a wrong result ends the run. The way
of measuring is the one of bench/jobs/collectives.ts, where it is described; they are changed
together. Calls take some hundred microseconds, so each is timed alone.
Run: /usr/bin/python3 bench/peers/gloo_all_reduce.py --ranks 2 --bytes 8,8192 --dtypes float64
"""

import argparse
import datetime
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import tempfile
import time

import torch
import torch.distributed as dist
from torch_ddp import INIT_TIMEOUT_S, end_with_parent, leave_group, positive

# The same as in the job of ours.
ROUND_US = 20000
WARM_UP_BATCHES = 2
FIRST_WARM_UPS = 5
MIN_SAMPLES = 3
CHECK_PERIOD = 1021
LATE_S = 0.002


def check_sum(rank, world_size, array):
    """Rank r gives (r + 1) * (i % period + 1); the sum is exact in both types."""
    pattern = (torch.arange(array.numel()) % CHECK_PERIOD + 1).to(array.dtype)
    array.copy_(pattern * (rank + 1))
    dist.all_reduce(array)
    if not torch.equal(array, pattern * (world_size * (world_size + 1) // 2)):
        raise AssertionError(f"wrong sum of {array.numel()} {array.dtype} on rank {rank}")


def check_barrier(rank, world_size):
    """Each rank once comes late: nobody may leave before the last has come."""
    for late in range(world_size):
        time.sleep(LATE_S if rank == late else 0)
        entry = torch.tensor(time.monotonic(), dtype=torch.float64)
        dist.barrier()
        leave = torch.tensor(time.monotonic(), dtype=torch.float64)
        dist.all_reduce(entry, dist.ReduceOp.MAX)
        dist.all_reduce(leave, dist.ReduceOp.MIN)
        if leave < entry:
            raise AssertionError(f"left a barrier {float(entry - leave)} s before the last entry")


def from_root(value):
    """Rank 0's number on all ranks."""
    shared = torch.tensor(value, dtype=torch.float64)
    dist.broadcast(shared, src=0)
    return shared.item()


def repeat(array, batches, seconds):
    """Come together, one call that is not timed, then the timed ones; until rank 0 has had enough.
    All elements are 0, so that their sums stay numbers like any other. Returns the microseconds of
    each call."""
    call = dist.barrier if array is None else lambda: dist.all_reduce(array)
    end_s = time.perf_counter() + seconds
    samples_us = []
    goes_on = True
    if array is not None:
        array.fill_(0)
    while goes_on:
        dist.barrier()
        call()
        before_s = time.perf_counter()
        for _ in range(batches):
            call()
            after_s = time.perf_counter()
            samples_us.append((after_s - before_s) * 1e6)
            before_s = after_s
        is_enough = time.perf_counter() >= end_s and len(samples_us) >= MIN_SAMPLES
        goes_on = from_root(0 if is_enough else 1) == 1
    return samples_us


def quantile(ascending, share):
    """The nearest rank."""
    return ascending[max(math.ceil(share * len(ascending)), 1) - 1]


def measure(args, rank, setting, warm_up_seconds):
    """One setting; None is the barrier."""
    array = None
    if setting is None:
        check_barrier(rank, args.ranks)
    else:
        size_bytes, dtype = setting
        element = torch.empty(0, dtype=getattr(torch, dtype)).element_size()
        array = torch.empty(size_bytes // element, dtype=getattr(torch, dtype))
        check_sum(rank, args.ranks, array)
    warm_up = repeat(array, WARM_UP_BATCHES, warm_up_seconds)
    call_us = from_root(quantile(sorted(warm_up), 0.5))
    batches = max(1, int(ROUND_US / call_us))
    ascending = sorted(repeat(array, batches, args.seconds))
    if array is not None:
        check_sum(rank, args.ranks, array)
    result = {} if setting is None else {"bytes": size_bytes, "dtype": dtype}
    for name, share in (("min", 0), ("p50", 0.5), ("p99", 0.99)):
        result[name] = quantile(ascending, share)
    if rank == 0:
        print(json.dumps(result), flush=True)


def run_rank(rank, args, folder):
    end_with_parent()
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=args.ranks,
        timeout=datetime.timedelta(seconds=INIT_TIMEOUT_S),
    )
    sizes = [int(text) for text in args.bytes.split(",") if text]
    settings = [(size, dtype) for size in sizes for dtype in args.dtypes.split(",")]
    for i, setting in enumerate(settings or [None]):
        measure(args, rank, setting, args.warm_up_seconds * (FIRST_WARM_UPS if i == 0 else 1))
    leave_group()


def wait_for_all(processes, deadline):
    """Returns when all have ended well; raises when one has failed or the time is over."""
    while any(process.exitcode is None for process in processes):
        running = [process.sentinel for process in processes if process.exitcode is None]
        multiprocessing.connection.wait(running, timeout=1)
        for rank, process in enumerate(processes):
            if process.exitcode:
                raise RuntimeError(f"rank {rank} ended with exit code {process.exitcode}")
        if time.monotonic() > deadline:
            raise TimeoutError("not done within --timeout-seconds")


def run_group(args):
    """Starts the processes, and ends them all when one fails or the time is over."""
    # All ranks are here: no name of this machine needs to be resolved.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    deadline = time.monotonic() + args.timeout_seconds
    # Forked after the import, which takes a second of every process otherwise.
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory(prefix="gloo-") as folder:
        processes = [
            context.Process(target=run_rank, args=(rank, args, folder), daemon=True)
            for rank in range(args.ranks)
        ]
        try:
            for process in processes:
                process.start()
            wait_for_all(processes, deadline)
        finally:
            # Killed, not terminated: a stopped process does not hear SIGTERM.
            for process in processes:
                if process.pid is not None:
                    process.kill()
                    process.join()


def main():
    parser = argparse.ArgumentParser(description="Speed of gloo's all-reduce and barrier.")
    parser.add_argument("--ranks", type=positive, default=2)
    parser.add_argument("--bytes", default="", help="sizes of all-reduces; none: the barrier")
    parser.add_argument("--dtypes", default="float32,float64")
    parser.add_argument("--seconds", type=float, default=0.2, help="measured, for each setting")
    parser.add_argument("--warm-up-seconds", type=float, default=0.05)
    parser.add_argument("--timeout-seconds", type=float, default=300)
    run_group(parser.parse_args())


if __name__ == "__main__":
    main()
