import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { medianOf } from '../../src/base/median.ts';
import { synthetic } from '../../src/data/named/synthetic.ts';
import { LayoutBuilder } from '../../src/memory/layout.ts';
import { convertNorm } from '../../src/nn/convert/convertNorm.ts';
import { sequential } from '../../src/nn/models/compose.ts';
import { namedModel } from '../../src/nn/models/models.ts';
import { flatten } from '../../src/nn/specs/flatten.ts';
import { linear } from '../../src/nn/specs/linear.ts';
import { bindProfiler, ENTER_LOSS, ENTER_OTHER, ENTER_UPDATE } from '../../src/observe/profile.ts';
import { type Profile, type ProfileSpan, reportOf } from '../../src/observe/profileReport.ts';
import { sgd } from '../../src/optim/optimizer.ts';
import { planRun } from '../../src/plan/plan.ts';
import { KEPT_STEPS, planProfile, readProfile } from '../../src/plan/profilePlan.ts';
import { wholePass } from '../../src/reduce/cutPasses.ts';
import { Trainer } from '../../src/runtime/trainer.ts';
import { resolveOptions, type TrainerOptions } from '../../src/runtime/trainerOptions.ts';
import { prepareCall } from '../../src/sync/call.ts';
import type { Member } from '../../src/sync/group.ts';
import type { Program } from '../../src/train/program.ts';

const data = synthetic({ train: 512, test: 40, shape: [14, 14, 1], classes: 5 });
const optimizer = sgd({ lr: 0.02, momentum: 0.9 });
const purpose = { inputShape: data.inputShape, classes: 5 };
const model = convertNorm(namedModel('refnet', purpose), { to: 'sync' });
const options = { model, data, optimizer, replicas: 4, workers: 2, replicaBatch: 8 } as const;
const STEPS = 48;

interface Run {
  readonly hash: string;
  readonly seconds: number;
  readonly profile: Profile | undefined;
}

/** Trains and evaluates in between, which must not count. */
async function run(more: Partial<TrainerOptions>, steps = STEPS): Promise<Run> {
  const trainer = await Trainer.start({ ...options, ...more });
  try {
    let seconds = 0;
    for (const maxSteps of [steps / 2, steps]) {
      let last = 0;
      for await (const progress of trainer.fit({ epochs: 100, maxSteps })) last = progress.seconds;
      seconds += last;
      await trainer.evaluate();
    }
    return { hash: trainer.weightsHash(), seconds, profile: trainer.profile() };
  } finally {
    await trainer.close();
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

describe('the profile of a run', () => {
  let profiled: Run;
  let plain: Run;
  beforeAll(async () => {
    plain = await run({});
    profiled = await run({ profile: true });
  });

  it('is undefined unless requested, and then plans nothing', () => {
    expect(plain.profile).toBeUndefined();
    expect(planRun(resolveOptions(options)).profile).toBeUndefined();
    const names = planRun(resolveOptions(options)).layout.regions.map(({ name }) => name);
    expect(names.filter((name) => name.includes('profile'))).toEqual([]);
  });

  it('does not change any bits of the weights', () => {
    expect(profiled.hash).toBe(plain.hash);
  });

  it('covers only the training steps, without evaluation', () => {
    expect(profiled.profile!.steps).toBe(STEPS);
  });

  it('accounts for the time that the main thread measures', async () => {
    const trainer = await Trainer.start({ ...options, replicaBatch: 4, profile: true });
    try {
      let wallMs = 0;
      for await (const { seconds } of trainer.fit({ epochs: 4 })) wallMs = seconds * 1000;
      const { steps, stepMs, spans } = trainer.profile()!;
      expect(steps * stepMs).toBeLessThanOrEqual(wallMs);
      // Between steps a worker does almost nothing. The median is not affected by the few times
      // when the system preempts the worker.
      for (const rank of [0, 1]) {
        const kept = stepsOf(spans.filter((span) => span.rank === rank));
        const pauses = kept.slice(1).map(({ fromMs }, i) => fromMs - kept[i]!.toMs);
        for (const pauseMs of pauses) expect(pauseMs).toBeGreaterThanOrEqual(0);
        const lengths = kept.map(({ fromMs, toMs }) => toMs - fromMs);
        expect(medianOf(pauses)).toBeLessThan(0.05 * medianOf(lengths));
      }
    } finally {
      await trainer.close();
    }
  });

  it('adds up: phases, workers and shares cover the same time', () => {
    const { phases, workers, stepMs } = profiled.profile!;
    expect(phases.map(({ phase }) => phase)).toEqual([
      'load',
      'forward',
      'loss',
      'backward',
      'update',
      'other',
    ]);
    expect(sum(phases.map(({ workMs, waitMs }) => workMs + waitMs))).toBeCloseTo(stepMs, 9);
    expect(sum(phases.map(({ share }) => share))).toBeCloseTo(1, 9);
    const times = workers.map(({ workMs, waitMs }) => workMs + waitMs);
    expect(sum(times) / workers.length).toBeCloseTo(stepMs, 9);
  });

  it('attributes all of forward and backward to the layers', () => {
    const { phases, layers } = profiled.profile!;
    const phase = (name: string) => phases.find((candidate) => candidate.phase === name)!;
    const forwardMs = sum(layers.map((layer) => layer.forwardMs));
    expect(forwardMs).toBeCloseTo(phase('forward').workMs, 9);
    const backwardMs = sum(layers.map((layer) => layer.backwardMs));
    expect(backwardMs).toBeCloseTo(phase('backward').workMs, 9);
    for (const { workMs, busiest } of layers) {
      expect(busiest.workMs).toBeGreaterThanOrEqual(workMs);
    }
  });

  it('finds waits only in synchronized norms and in the update', () => {
    const { phases, layers } = profiled.profile!;
    for (const { path, waitMs } of layers) {
      if (path.endsWith('batchNorm')) expect(waitMs).toBeGreaterThan(0);
      else expect(waitMs).toBe(0);
    }
    const waits = Object.fromEntries(phases.map(({ phase, waitMs }) => [phase, waitMs]));
    expect(waits.update).toBeGreaterThan(0);
    // The order of an epoch.
    expect(waits.load).toBeGreaterThan(0);
    expect([waits.loss, waits.other]).toEqual([0, 0]);
  });

  it('keeps the spans of the last steps, without gaps, and waits within them', () => {
    const { spans } = profiled.profile!;
    for (const rank of [0, 1]) {
      const own = spans.filter((span) => span.rank === rank);
      const steps = [...new Set(own.map(({ step }) => step))];
      expect(steps).toEqual(Array.from({ length: KEPT_STEPS }, (_, i) => STEPS - KEPT_STEPS + i));
      for (const step of steps) expectOneLine(own.filter((span) => span.step === step));
    }
  });
});

/** Where each step of a worker begins and ends. */
function stepsOf(spans: readonly ProfileSpan[]): { fromMs: number; toMs: number }[] {
  const steps = [...new Set(spans.map(({ step }) => step))];
  return steps.map((step) => {
    const own = spans.filter((span) => span.step === step);
    return { fromMs: own[0]!.fromMs, toMs: Math.max(...own.map(({ toMs }) => toMs)) };
  });
}

/** Each span begins where the previous one ends; a wait is inside the span that it follows. */
function expectOneLine(spans: readonly ProfileSpan[]): void {
  let last: ProfileSpan | undefined;
  for (const span of spans) {
    if (span.isWait) {
      expect(span.fromMs).toBeGreaterThanOrEqual(last!.fromMs);
      expect(span.toMs).toBeLessThanOrEqual(last!.toMs);
      expect([span.phase, span.path]).toEqual([last!.phase, last!.path]);
    } else {
      if (last !== undefined) expect(span.fromMs).toBe(last.toMs);
      last = span;
    }
  }
}

describe('the profile of a model without norms', () => {
  it('waits only for the order, the gradients and the weights', async () => {
    const bare = sequential([flatten(), linear(14 * 14, 5)]);
    const { profile } = await run({ model: bare, profile: true }, 8);
    expect(profile!.layers.map(({ path }) => path)).toEqual(['0.flatten', '1.linear']);
    expect(profile!.layers.map(({ waitMs }) => waitMs)).toEqual([0, 0]);
    const waits = profile!.spans.filter(({ isWait }) => isWait).map(({ phase }) => phase);
    expect([...new Set(waits)].sort()).toEqual(['load', 'update']);
  });
});

describe('a profiler', () => {
  const LAYERS = 2;
  const SPENT_MS = 3;

  // The clock advances only when a call spends time.
  let nowMs = 0;
  beforeEach(() => {
    nowMs = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  });
  afterEach(() => vi.restoreAllMocks());

  function spend(ms: number): void {
    nowMs += ms;
  }

  /** One worker whose second layer synchronizes forward; every wait takes SPENT_MS. */
  function bound() {
    const plan = planProfile(new LayoutBuilder(), LAYERS, 1);
    const region = new Float64Array(plan.regions[0]!.shape[0]!);
    const profiler = bindProfiler(plan, region);
    const member: Member = profiler.watchMember({
      rank: 0,
      worldSize: 1,
      sync: () => spend(SPENT_MS),
      start() {},
      syncStop: () => {
        spend(SPENT_MS);
        return true;
      },
      setPosition: () => {},
      finish: () => {},
    });
    const call = prepareCall({ kind: 'moments' });
    const nothing = (): void => {};
    const program = profiler.watchProgram({
      operations: [
        { layerId: 0, forward: wholePass(() => spend(SPENT_MS)), backward: wholePass(nothing) },
        {
          layerId: 1,
          forward: wholePass(() => member.sync(call)),
          backward: wholePass(() => spend(SPENT_MS)),
        },
      ],
      bufferUpdates: [{ layerId: 1, update: nothing }],
    } as unknown as Program);
    const step = (index: number): boolean => {
      profiler.beginStep(index);
      for (const { forward } of program.operations) forward.parts[0]!();
      profiler.enter(ENTER_LOSS);
      for (const { backward } of [...program.operations].reverse()) backward.parts[0]!();
      profiler.enter(ENTER_UPDATE);
      for (const buffers of program.bufferUpdates) buffers.update();
      profiler.enter(ENTER_OTHER);
      const isStopping = member.syncStop(call);
      profiler.endStep();
      return isStopping;
    };
    const report = (): Profile => reportOf(plan, ['a', 'b'], [readProfile(plan, region)]);
    return { member, call, program, step, report };
  }

  it('separates work from waiting and attributes each to the current layer', () => {
    const { step, report } = bound();
    for (let index = 0; index < 3; index++) expect(step(index)).toBe(true);
    const { steps, stepMs, layers, phases } = report();
    expect(steps).toBe(3);
    expect(stepMs).toBe(4 * SPENT_MS);
    expect(layers).toMatchObject([
      { path: 'a', forwardMs: SPENT_MS, backwardMs: 0, updateMs: 0, waitMs: 0 },
      { path: 'b', forwardMs: 0, backwardMs: SPENT_MS, updateMs: 0, waitMs: SPENT_MS },
    ]);
    const { workMs, waitMs } = phases.at(-1)!;
    expect([workMs, waitMs]).toEqual([0, SPENT_MS]);
  });

  it('ignores what runs between steps', () => {
    const { member, call, program, step, report } = bound();
    step(0);
    const before = report();
    member.sync(call);
    member.syncStop(call);
    for (const { forward } of program.operations) forward.parts[0]!();
    expect(report()).toEqual(before);
  });

  it('keeps the last steps and drops earlier ones', () => {
    const { step, report } = bound();
    for (let index = 5; index < 5 + KEPT_STEPS + 2; index++) step(index);
    const steps = [...new Set(report().spans.map((span) => span.step))];
    expect(steps).toEqual(Array.from({ length: KEPT_STEPS }, (_, i) => 7 + i));
  });
});
