"""The PyTorch peer for training speed: data-parallel over gloo, a one-thread process a replica.

Prints a JSON line. Its SyncBatchNorm stands on dist.all_reduce, because PyTorch's own refuses the
CPU (formulas: Ioffe and Szegedy 2015), and is checked against BatchNorm on the concatenated batch
before anything is timed. With `--processes 1` one process trains on the whole global batch instead.
With `--serve` each line of standard input is a number of seconds to measure, and each answer a
line; between them the processes sleep.
Run: /usr/bin/python3 bench/peers/torch_ddp.py --net refnet --norm sync --replicas 2 --seconds 5
"""

import argparse
import datetime
import json
import multiprocessing
import multiprocessing.connection
import os
import signal
import statistics
import sys
import tempfile
import threading
import time

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch_nets import NETS

SEED = 1
LEARNING_RATE = 0.1
MOMENTUM = 0.9
GROUPS = 8
INIT_TIMEOUT_S = 60
# Beyond the measured seconds: starting, checking and warming up on a busy machine.
GRACE_S = 300
# Steps between two looks at the time, which all processes have to agree on; long steps one by one.
STEPS_PER_BLOCK = 5
LONG_STEP_S = 0.05
# Steps that take long are warm after so much time.
WARM_UP_S = 1
CHANNEL_AXES = (0, 2, 3)
CHECK_TOLERANCE = 1e-4
FORMATS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


class SyncBatchNormFunction(torch.autograd.Function):
    """Batch norm of one shard with the statistics of all: one all_reduce each way."""

    @staticmethod
    def forward(ctx, x, weight, bias, norm):
        channels = x.shape[1]
        packed = torch.empty(2 * channels + 1)
        packed[:channels] = x.sum(CHANNEL_AXES)
        packed[channels:-1] = (x * x).sum(CHANNEL_AXES)
        packed[-1] = x.numel() // channels
        dist.all_reduce(packed)
        count = packed[-1].item()
        mean = packed[:channels] / count
        variance = (packed[channels:-1] / count - mean * mean).clamp_(min=0)
        norm.track(mean, variance, count)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.count, ctx.eps = count, norm.eps
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=norm.eps)

    @staticmethod
    def backward(ctx, dy):
        x, weight, mean, variance = ctx.saved_tensors
        inv_std = torch.rsqrt(variance + ctx.eps)
        # The native backward pass, for the two sums alone: sum(dy * xhat) and sum(dy).
        _, d_weight, d_bias = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, None, None, mean, inv_std, True, ctx.eps, [False, True, True]
        )
        packed = torch.cat((d_weight, d_bias))
        dist.all_reduce(packed)
        mean_dy_xhat, mean_dy = (packed / ctx.count).chunk(2)
        # dx = weight * inv_std * (dy - mean(dy) - xhat * mean(dy * xhat)), by terms in x and dy.
        by_dy = weight * inv_std
        by_x = -by_dy * inv_std * mean_dy_xhat
        constant = -by_dy * mean_dy - by_x * mean
        dx = (x * per_channel(by_x)).add_(per_channel(constant)).addcmul_(dy, per_channel(by_dy))
        return dx, d_weight, d_bias, None


def per_channel(values):
    return values.view(1, -1, 1, 1)


class SyncBatchNorm(nn.Module):
    """PyTorch's SyncBatchNorm, for the CPU. DistributedDataParallel sums the weights' gradients."""

    def __init__(self, channels, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x):
        return SyncBatchNormFunction.apply(x, self.weight, self.bias, self)

    def track(self, mean, variance, count):
        """The running variance is unbiased, over the global count."""
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)


def norm_of(args):
    if args.norm == "group":
        return lambda channels: nn.GroupNorm(GROUPS, channels)
    # In one process, BatchNorm over its whole batch is the synchronized one.
    return SyncBatchNorm if args.norm == "sync" and args.processes > 1 else nn.BatchNorm2d


def check_sync_batch_norm(rank, world_size):
    """Compares with BatchNorm on the concatenated batch, and raises where they differ."""
    channels, shard = 5, 3
    generator = torch.Generator().manual_seed(SEED)
    x = 2 * torch.randn(world_size * shard, channels, 6, 7, generator=generator) + 1
    dy = torch.randn(x.shape, generator=generator)
    affine = [torch.randn(channels, generator=generator) for _ in range(2)]
    norms = {"whole": nn.BatchNorm2d(channels), "sync": SyncBatchNorm(channels)}
    mine = slice(rank * shard, (rank + 1) * shard)
    found = {}
    for name, norm in norms.items():
        norm.weight.data.copy_(affine[0])
        norm.bias.data.copy_(affine[1])
        part = slice(None) if name == "whole" else mine
        leaf = x[part].clone().requires_grad_()
        y = norm(leaf)
        y.backward(dy[part])
        found[name] = [y.detach(), leaf.grad, norm.weight.grad, norm.bias.grad]
        found[name] += [norm.running_mean, norm.running_var]
    for gradient in found["sync"][2:4]:
        dist.all_reduce(gradient)
    whole = [found["whole"][0][mine], found["whole"][1][mine], *found["whole"][2:]]
    for actual, expected in zip(found["sync"], whole):
        torch.testing.assert_close(actual, expected, rtol=CHECK_TOLERANCE, atol=CHECK_TOLERANCE)


def make_step(args, rank, memory_format):
    """A function that trains one step on this process's fixed random batch."""
    net = NETS[args.net]
    torch.manual_seed(SEED)
    model = net.build(norm_of(args)).to(memory_format=memory_format)
    if args.processes > 1:
        model = DistributedDataParallel(model, broadcast_buffers=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    batch = args.replica_batch * args.replicas // args.processes
    generator = torch.Generator().manual_seed(SEED + rank)
    images = torch.randn(batch, *net.image_shape, generator=generator)
    images = images.contiguous(memory_format=memory_format)
    targets = net.targets(images, generator)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), targets).backward()
        optimizer.step()

    return step


def time_steps(step, count_steps):
    durations_s = []
    for _ in range(count_steps):
        start = time.perf_counter()
        step()
        durations_s.append(time.perf_counter() - start)
    return durations_s


def agree(args, value):
    """Rank 0's whole number, on all ranks."""
    if args.processes == 1:
        return value
    shared = torch.tensor([value])
    dist.broadcast(shared, src=0)
    return int(shared.item())


def warm(args, step):
    """Warms up and returns the median time of the last steps."""
    durations_s = []
    while len(durations_s) < args.warmup_steps:
        durations_s += time_steps(step, 1)
        if agree(args, int(sum(durations_s) > WARM_UP_S)):
            break
    return statistics.median(durations_s[len(durations_s) // 2 :])


def warm_up(args, rank):
    """The step to measure, its memory format and how long it takes: of `fastest`, the better."""
    names = list(FORMATS) if args.format == "fastest" else [args.format]
    steps = [make_step(args, rank, FORMATS[name]) for name in names]
    for step in steps:
        warm(args, step)
    medians = [warm(args, step) for step in steps]
    best = agree(args, medians.index(min(medians)))
    return steps[best], names[best], medians[best]


def measure(args, step, step_s, seconds):
    """Steps in blocks until rank 0 has measured long enough; the agreement is not timed."""
    durations_s = []
    block = agree(args, 1 if step_s > LONG_STEP_S else STEPS_PER_BLOCK)
    while agree(args, int(sum(durations_s) < seconds)):
        durations_s += time_steps(step, block)
    return durations_s


def report(args, durations_s, format_name):
    ordered_ms = sorted(1e3 * duration for duration in durations_s)
    last = len(ordered_ms) - 1
    p50_ms = statistics.median(ordered_ms)
    global_batch = args.replicas * args.replica_batch
    return {
        "peer": "torch-ddp",
        "net": args.net,
        "norm": args.norm,
        "replicas": args.replicas,
        "replicaBatch": args.replica_batch,
        "processes": args.processes,
        "threads": args.threads,
        "format": format_name,
        "steps": len(ordered_ms),
        "imagesPerSecond": round(1e3 * global_batch / p50_ms, 1),
        "msPerStep": {
            "min": round(ordered_ms[0], 4),
            "p50": round(p50_ms, 4),
            "p99": round(ordered_ms[round(0.99 * last)], 4),
        },
        "torch": torch.__version__,
    }


def end_with_parent():
    """Also a parent that was killed leaves no process behind."""

    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def leave_group():
    """Ends the process when all are done. Version 2.6 now and then hangs in destroying a group."""
    dist.barrier()
    sys.stdout.flush()
    os._exit(0)


def run_replica(rank, args, folder, link):
    """One process of the group: measures so long as the link asks for. Rank 0 answers."""
    end_with_parent()
    torch.set_num_threads(args.threads)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/rendezvous",
        rank=rank,
        world_size=args.processes,
        timeout=datetime.timedelta(seconds=INIT_TIMEOUT_S),
    )
    check_sync_batch_norm(rank, args.processes)
    step, format_name, step_s = warm_up(args, rank)
    while (seconds := link.recv()) is not None:
        durations_s = measure(args, step, step_s, seconds)
        if rank == 0:
            link.send(report(args, durations_s, format_name))
    leave_group()


def check_running(processes):
    for rank, process in enumerate(processes):
        if process.exitcode is not None:
            raise RuntimeError(f"rank {rank} ended with exit code {process.exitcode}")


def answer_of(link, processes, deadline):
    """Rank 0's answer; raises when a process has ended or the time is over."""
    while not link.poll():
        check_running(processes)
        if time.monotonic() > deadline:
            raise TimeoutError("no answer after the seconds to measure and the grace time")
        sentinels = [process.sentinel for process in processes]
        multiprocessing.connection.wait([link, *sentinels], timeout=1)
    return link.recv()


def run_group(args):
    """Starts the processes, prints an answer to each request, and ends them all, also when one
    fails or the time is over."""
    # All ranks are here: no name of this machine needs to be resolved.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="torch-ddp-") as folder:
        links, ends = zip(*[context.Pipe() for _ in range(args.processes)])
        processes = [
            context.Process(target=run_replica, args=(rank, args, folder, end), daemon=True)
            for rank, end in enumerate(ends)
        ]
        try:
            for process in processes:
                process.start()
            for seconds in requests(args):
                for link in links:
                    link.send(seconds)
                deadline = time.monotonic() + INIT_TIMEOUT_S + GRACE_S + 2 * seconds
                print(json.dumps(answer_of(links[0], processes, deadline)), flush=True)
            for link in links:
                link.send(None)
            for process in processes:
                process.join(INIT_TIMEOUT_S)
                if process.exitcode:
                    raise RuntimeError(f"a process ended with exit code {process.exitcode}")
        finally:
            # Killed, not terminated: a stopped process does not hear SIGTERM.
            for process in processes:
                if process.pid is not None:
                    process.kill()
                    process.join()


def requests(args):
    """Seconds to measure, one after the other."""
    if not args.serve:
        yield args.seconds
        return
    for line in sys.stdin:
        yield float(line)


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def parse_arguments():
    parser = argparse.ArgumentParser(description="PyTorch data-parallel training speed.")
    parser.add_argument("--net", choices=list(NETS), default="refnet")
    parser.add_argument("--norm", choices=["sync", "local", "group"], default="sync")
    parser.add_argument("--replicas", type=positive, default=2)
    parser.add_argument("--replica-batch", type=positive, default=16)
    parser.add_argument("--seconds", type=float, default=5, help="measured, after the warm-up")
    parser.add_argument("--warmup-steps", type=positive, default=10)
    parser.add_argument("--format", choices=[*FORMATS, "fastest"], default="fastest")
    parser.add_argument("--processes", type=positive, help="1, or one a replica (the default)")
    parser.add_argument("--serve", action="store_true", help="seconds come from standard input")
    parser.add_argument("--threads", type=positive, default=1, help="of each process")
    args = parser.parse_args()
    args.processes = args.processes or args.replicas
    if args.processes not in (1, args.replicas):
        parser.error("--processes: allowed is 1 or the number of replicas")
    if args.processes == 1 and args.replicas > 1 and args.norm == "local":
        parser.error("--norm local: one process would take the statistics of all replicas together")
    return args


def main():
    args = parse_arguments()
    if args.processes > 1:
        run_group(args)
        return
    torch.set_num_threads(args.threads)
    step, format_name, step_s = warm_up(args, 0)
    for seconds in requests(args):
        durations_s = measure(args, step, step_s, seconds)
        print(json.dumps(report(args, durations_s, format_name)), flush=True)


if __name__ == "__main__":
    main()
