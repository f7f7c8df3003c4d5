import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { tries } from "../../../../test/quick.ts";
import { fakeDid } from "../testing/index.ts";
import { type Leg, RELAY_LIMITS, RelayCore, type RelayEffect } from "./relay-core.ts";

verifies("mesh:route:forward");

const [a, b, c] = [fakeDid(1), fakeDid(2), fakeDid(3)];
const limits = {
  ...RELAY_LIMITS,
  windowBytes: 1000,
  bytesPerSecondMax: 1000,
  circuitsCountMax: 3,
  circuitsPerPeerMax: 2,
};

function newCore(changes: { enabled?: boolean; used?: typeof limits } = {}): RelayCore {
  let lastId = 0;
  return new RelayCore({ limits: changes.used ?? limits, enabled: changes.enabled ?? true, nextId: () => ++lastId });
}

const legOf = (peer: typeof a, id: number): Leg => ({ peer, mine: false, id });
const bytes = (length: number) => new Uint8Array(length);

/** An accepted circuit from `a` to `c`. */
function openCircuit(core: RelayCore, id = 7): [near: Leg, far: Leg] {
  const near = legOf(a, id);
  const [opened] = core.step({ kind: "open", leg: near, target: c, linked: true }, 0);
  expect(opened).toMatchObject({ kind: "open", from: a, leg: { peer: c, mine: true } });
  const far = opened!.leg;
  expect(core.step({ kind: "accept", leg: far }, 0)).toEqual([{ kind: "accept", leg: near }]);
  return [near, far];
}

const keyOf = ({ peer, mine, id }: Leg): string => `${peer} ${mine} ${id}`;

/** Keeps the bytes that wait at the receiving end of each leg. */
function note(waiting: Map<string, number>, effect: RelayEffect): void {
  const key = keyOf(effect.leg);
  if (effect.kind === "data") waiting.set(key, (waiting.get(key) ?? 0) + effect.body.length);
  if (effect.kind === "close") waiting.delete(key);
}

function take(waiting: Map<string, number>, leg: Leg, length: number): void {
  const before = waiting.get(keyOf(leg));
  if (before !== undefined) waiting.set(keyOf(leg), before - length);
}

/** Holds for members that keep to {@link limits}. @param used what the member under test keeps to */
function staysWithin(used: typeof limits) {
  const peer = fc.constantFrom(a, b, c);
  const id = fc.integer({ min: 1, max: 5 });
  // Mostly what belongs together: circuits from `a` to `c`, numbered by `a` on its link and by the member on that to `c`.
  const near = fc.record({ peer: fc.constant(a), mine: fc.constant(false), id });
  const far = fc.record({ peer: fc.constant(c), mine: fc.constant(true), id });
  const any = fc.record({ peer, mine: fc.boolean(), id });
  const leg = fc.oneof({ weight: 5, arbitrary: near }, { weight: 5, arbitrary: far }, { weight: 1, arbitrary: any });
  const target = fc.oneof({ weight: 5, arbitrary: fc.constant(c) }, { weight: 1, arbitrary: peer });
  const data = fc.record({ kind: fc.constant("data" as const), leg, body: id.map((count) => bytes(count * 200)) });
  const kind = <const Kind extends string>(name: Kind) => fc.constant(name);
  const linked = fc.constantFrom(true, true, false);
  const some = fc.integer({ min: 1, max: 600 });
  const input = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: kind("open"), leg: fc.oneof(near, any), target, linked }) },
    { weight: 4, arbitrary: fc.record({ kind: kind("accept"), leg: fc.oneof(far, any) }) },
    { weight: 12, arbitrary: data },
    { weight: 3, arbitrary: fc.record({ kind: kind("credit"), leg, bytes: some }) },
    { weight: 1, arbitrary: fc.record({ kind: kind("close"), leg, reason: kind("ended") }) },
    { weight: 1, arbitrary: fc.record({ kind: kind("choked"), leg }) },
    { weight: 1, arbitrary: fc.record({ kind: kind("peer-left"), peer }) },
    { weight: 1, arbitrary: fc.record({ kind: kind("tick") }) },
  );
  return fc.property(fc.array(input, { maxLength: 80, size: "max" }), (inputs) => {
    const core = newCore({ used });
    const waiting = new Map<string, number>();
    for (const [index, one] of inputs.entries()) {
      if (one.kind === "credit") take(waiting, one.leg, one.bytes);
      const effects = core.step(one, index * 50);
      for (const effect of effects) note(waiting, effect);
      expect(Math.max(0, ...waiting.values())).toBeLessThanOrEqual(limits.windowBytes);
      expect(core.circuitCount).toBeLessThanOrEqual(limits.circuitsCountMax);
    }
    for (const gone of [a, b, c]) core.step({ kind: "peer-left", peer: gone }, 0);
    expect([core.circuitCount, core.wakeAtMs]).toEqual([0, undefined]);
  });
}

const closes = (effects: readonly RelayEffect[]) =>
  effects.flatMap((effect) => (effect.kind === "close" ? [[effect.leg.peer, effect.reason]] : []));

describe("a member that carries circuits", () => {
  test("joins two legs and passes bytes both ways", () => {
    const core = newCore();
    const [near, far] = openCircuit(core);
    expect(core.step({ kind: "data", leg: near, body: bytes(10) }, 0)).toEqual([
      { kind: "data", leg: far, body: bytes(10) },
    ]);
    expect(core.step({ kind: "data", leg: far, body: bytes(3) }, 0)).toEqual([
      { kind: "data", leg: near, body: bytes(3) },
    ]);
    expect(closes(core.step({ kind: "close", leg: far, reason: "ended" }, 0))).toEqual([[a, "ended"]]);
    expect([core.circuitCount, core.wakeAtMs]).toEqual([0, undefined]);
  });

  test("refuses when it does not carry, and without direct links to two different members", () => {
    const refusal = (core: RelayCore, target: typeof a, linked: boolean) =>
      closes(core.step({ kind: "open", leg: legOf(a, 1), target, linked }, 0));
    expect(refusal(newCore({ enabled: false }), c, true)).toEqual([[a, "relaying is off"]]);
    expect(refusal(newCore(), c, false)).toEqual([[a, "no direct link to it"]]);
    expect(refusal(newCore(), a, true)).toEqual([[a, "no direct link to it"]]);
  });

  test("refuses more than it carries, for one member and in all", () => {
    const core = newCore();
    openCircuit(core, 1);
    openCircuit(core, 2);
    const open = (leg: Leg) => closes(core.step({ kind: "open", leg, target: c, linked: true }, 0));
    expect(open(legOf(a, 3))).toEqual([[a, "too many circuits"]]);
    expect(open(legOf(b, 1))).toEqual([]);
    expect(open(legOf(b, 2))).toEqual([[b, "too many circuits"]]);
  });

  test("holds credit back so that a circuit stays within its rate", () => {
    const core = newCore();
    const [near, far] = openCircuit(core);
    const granted: number[] = [];
    const collect = (effects: readonly RelayEffect[]): void => {
      for (const effect of effects) if (effect.kind === "credit") granted.push(effect.bytes);
    };
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      const used = granted.reduce((sum, one) => sum + one, 0);
      const sent = core.step({ kind: "data", leg: near, body: bytes(1) }, nowMs);
      if (sent.some(({ kind }) => kind === "data")) collect(core.step({ kind: "credit", leg: far, bytes: 1 }, nowMs));
      collect(core.step({ kind: "tick" }, nowMs));
      expect(used).toBeLessThanOrEqual(limits.windowBytes + (nowMs / 1000) * limits.bytesPerSecondMax);
    }
    expect(granted.length).toBeGreaterThan(0);
  });

  test("ends what is not accepted in time, and what is idle", () => {
    const core = newCore();
    core.step({ kind: "open", leg: legOf(a, 1), target: c, linked: true }, 0);
    expect(core.wakeAtMs).toBe(limits.openTimeoutMs);
    const late = closes(core.step({ kind: "tick" }, limits.openTimeoutMs));
    expect(late).toEqual([
      [a, "it did not answer in time"],
      [c, "it did not answer in time"],
    ]);
    openCircuit(core, 2);
    expect(closes(core.step({ kind: "tick" }, limits.idleTimeoutMs))).toHaveLength(2);
    expect(core.circuitCount).toBe(0);
  });

  test("ends a circuit whose sender ignores the window, or whose receiver gives back what never came", () => {
    const core = newCore();
    const [near, far] = openCircuit(core);
    core.step({ kind: "data", leg: near, body: bytes(1000) }, 0);
    expect(closes(core.step({ kind: "data", leg: near, body: bytes(1) }, 0))).toHaveLength(2);
    expect(core.step({ kind: "data", leg: far, body: bytes(1) }, 0)).toEqual([]);
    const [, other] = openCircuit(core, 8);
    expect(closes(core.step({ kind: "credit", leg: other, bytes: 1 }, 0))).toHaveLength(2);
  });

  test("whatever comes, waits no more than a window per direction, and nothing is left when everybody is gone", () => {
    expect(fc.check(staysWithin(limits), tries(2000))).toMatchObject({ failed: false, counterexample: null });
  });

  test("which would show a member that lets more than a window through, or carries too many", () => {
    expect(fc.check(staysWithin({ ...limits, windowBytes: 3000 }), { seed: 1, numRuns: 2000 }).failed).toBe(true);
    const many = { ...limits, circuitsCountMax: 9, circuitsPerPeerMax: 9 };
    expect(fc.check(staysWithin(many), { seed: 1, numRuns: 2000 }).failed).toBe(true);
  });
});
