import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Did, generateKeyPair } from "../identity/index.ts";
import { seededRandom } from "../kernel/index.ts";
import { fakeDid } from "../testing/index.ts";
import { Redial, type RedialInput, type RedialPlan } from "./redial-core.ts";

const DIDS = Array.from({ length: 12 }, () => generateKeyPair().did);
const [A = raise(), B = raise(), C = raise()] = DIDS;
const SELF = generateKeyPair().did;

function raise(): never {
  throw new Error("no did");
}

function start(changes: { readonly dialsCountMax?: number; readonly knownCountMax?: number } = {}): Redial {
  const limits = { dialsCountMax: 8, knownCountMax: 100, ...changes };
  const redial = new Redial({ self: SELF, baseMs: 200, capMs: 30_000, random: seededRandom(1), ...limits });
  redial.step({ kind: "start" }, 0);
  return redial;
}

const learn = (did: Did, ...addresses: string[]): RedialInput => ({ kind: "learn", did, addresses });
const failed = (did: Did, terminal = false): RedialInput => ({ kind: "failed", did, terminal });
const didsOf = (plan: RedialPlan): readonly Did[] => plan.dials.map((dial) => dial.did);

describe("redialling", () => {
  test("nothing is dialled before the start, and everything known at the start", () => {
    const redial = new Redial({
      self: SELF,
      baseMs: 1,
      capMs: 1,
      dialsCountMax: 8,
      knownCountMax: 8,
      random: seededRandom(1),
    });
    expect(redial.step(learn(A, "a"), 0)).toEqual({ dials: [], wakeAtMs: Infinity, full: false });
    expect(redial.step({ kind: "start" }, 0).dials).toEqual([{ did: A, addresses: ["a"] }]);
  });

  test("a new peer is dialled at once; after each failure it waits longer, up to the cap", () => {
    const redial = start();
    let nowMs = 0;
    expect(didsOf(redial.step(learn(A, "a"), nowMs))).toEqual([A]);
    for (let attempt = 1; attempt <= 40; attempt++) {
      const { wakeAtMs } = redial.step(failed(A), nowMs);
      expect(wakeAtMs - nowMs).toBeGreaterThanOrEqual(0);
      expect(wakeAtMs - nowMs).toBeLessThanOrEqual(Math.min(30_000, 200 * 2 ** attempt));
      nowMs = wakeAtMs;
      expect(didsOf(redial.step({ kind: "tick" }, nowMs))).toEqual([A]);
    }
  });

  test("a peer that refuses us for good waits for the cap at once", () => {
    const waitsMs = DIDS.map((_, seed) => {
      const redial = new Redial({
        self: SELF,
        baseMs: 200,
        capMs: 30_000,
        dialsCountMax: 8,
        knownCountMax: 9,
        random: seededRandom(seed),
      });
      redial.step({ kind: "start" }, 0);
      redial.step(learn(A, "a"), 0);
      return redial.step(failed(A, true), 0).wakeAtMs;
    });
    // Full jitter between 0 and 30 s: twelve below 400 ms would be the delay of a first failure.
    expect(Math.max(...waitsMs)).toBeGreaterThan(400);
  });

  test("a lost link is dialled again soon, with the address that worked first", () => {
    const redial = start();
    redial.step(learn(A, "one", "two"), 0);
    redial.step({ kind: "linked", did: A, addresses: ["three"], dialled: "two" }, 0);
    const { wakeAtMs } = redial.step({ kind: "lost", did: A }, 1000);
    expect(wakeAtMs).toBeLessThanOrEqual(1200);
    expect(redial.step({ kind: "tick" }, wakeAtMs).dials).toEqual([{ did: A, addresses: ["two", "one", "three"] }]);
  });

  test("an address that worked is tried even when the peer told others since", () => {
    const redial = start();
    redial.step(learn(A, "one", "two"), 0);
    redial.step({ kind: "linked", did: A, addresses: ["one", "two"], dialled: "one" }, 0);
    redial.step(learn(A, "two"), 0);
    const { wakeAtMs } = redial.step({ kind: "lost", did: A }, 1000);
    expect(redial.step({ kind: "tick" }, wakeAtMs).dials).toEqual([{ did: A, addresses: ["two", "one"] }]);
  });

  test("fresh peers come before hopeless ones when few dials are free", () => {
    const redial = start({ dialsCountMax: 1 });
    redial.step(learn(A, "a"), 0);
    expect(didsOf(redial.step(failed(A), 0))).toEqual([]);
    redial.step(learn(B, "b"), 0);
    expect(didsOf(redial.step(learn(C, "c"), 60_000))).toEqual([]);
    expect(didsOf(redial.step(failed(B), 60_000))).toEqual([C]);
  });

  test("a new address of a waiting peer is tried at once, a known one is not", () => {
    const redial = start();
    redial.step(learn(A, "a"), 0);
    redial.step(failed(A, true), 0);
    expect(didsOf(redial.step(learn(A, "a"), 0))).toEqual([]);
    expect(redial.step(learn(A, "a", "b"), 0).dials).toEqual([{ did: A, addresses: ["a", "b"] }]);
  });

  test("a forgotten peer is not dialled, also not after it linked to us; learning it again undoes that", () => {
    const redial = start();
    redial.step(learn(A, "a"), 0);
    redial.step({ kind: "forget", did: A }, 0);
    redial.step({ kind: "linked", did: A, addresses: ["a"] }, 0);
    expect(redial.step({ kind: "lost", did: A }, 0)).toEqual({ dials: [], wakeAtMs: Infinity, full: false });
    expect(didsOf(redial.step(learn(A, "a"), 0))).toEqual([A]);
  });

  test("says when there is no room for another peer", () => {
    const redial = start({ knownCountMax: 2 });
    const full = [A, B, C].map((did) => redial.step(learn(did, "x"), 0).full);
    expect(full).toEqual([false, false, true]);
    expect(redial.knownCount).toBe(2);
  });

  test("whatever happens, limits hold, nobody is dialled twice at once, and someone is always about to be dialled", () => {
    const did = fc.constantFrom(...DIDS);
    const input = fc.oneof(
      fc.record({
        kind: fc.constant("learn" as const),
        did,
        addresses: fc.array(fc.constantFrom("a", "b"), { maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant("forget" as const), did }),
      fc.record({ kind: fc.constant("linked" as const), did, addresses: fc.constant(["a"]) }),
      fc.record({ kind: fc.constant("lost" as const), did }),
      fc.record({ kind: fc.constant("failed" as const), did, terminal: fc.boolean() }),
      fc.record({ kind: fc.constant("tick" as const) }),
    );
    const steps = fc.array(fc.tuple(input, fc.integer({ min: 0, max: 5000 })), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (inputs) => {
        const redial = start({ dialsCountMax: 3, knownCountMax: 8 });
        const dialling = new Set<Did>();
        let nowMs = 0;
        for (const [each, waitMs] of inputs) {
          // The service reports the end of a dial only for dials that run.
          if (each.kind === "failed" && !dialling.has(each.did)) continue;
          nowMs += waitMs;
          if (each.kind !== "tick" && each.kind !== "learn") dialling.delete(each.did);
          const plan = redial.step(each, nowMs);
          for (const dial of plan.dials) {
            expect(dialling.has(dial.did)).toBe(false);
            dialling.add(dial.did);
          }
          expect(dialling.size).toBeLessThanOrEqual(3);
          expect(redial.knownCount).toBeLessThanOrEqual(8);
          expect(plan.wakeAtMs).toBeGreaterThanOrEqual(nowMs);
        }
      }),
    );
  });
});

describe("with more peers than links", () => {
  const MANY = Array.from({ length: 40 }, (_, index) => fakeDid(index));

  function crowd(): Redial {
    const limits = { dialsCountMax: 100, knownCountMax: 100, fullMeshCountMax: 20 };
    const redial = new Redial({ self: SELF, baseMs: 200, capMs: 30_000, random: seededRandom(1), ...limits });
    for (const did of MANY) redial.step(learn(did, "a"), 0);
    return redial;
  }

  test("only the active view is dialled and kept", () => {
    const redial = crowd();
    const dialled = didsOf(redial.step({ kind: "start" }, 0));
    expect(dialled).toHaveLength(6);
    expect(MANY.filter((did) => redial.keeps(did, 0)).toSorted()).toEqual(dialled.toSorted());
  });

  test("another peer takes the place of one that cannot be reached, until that may be tried again", () => {
    const redial = crowd();
    const [first = raise()] = didsOf(redial.step({ kind: "start" }, 0));
    let nowMs = 0;
    for (let attempt = 1; attempt < 3; attempt++) {
      nowMs = redial.step(failed(first), nowMs).wakeAtMs;
      expect(didsOf(redial.step({ kind: "tick" }, nowMs))).toContain(first);
    }
    redial.step(failed(first), nowMs);
    expect(redial.keeps(first, nowMs)).toBe(false);
    expect(MANY.filter((did) => redial.keeps(did, nowMs))).toHaveLength(6);
    expect(redial.keeps(first, nowMs + 60_000)).toBe(true);
  });

  test("anybody else is dialled when it is asked for, and then let alone", () => {
    const redial = crowd();
    const kept = didsOf(redial.step({ kind: "start" }, 0));
    const stranger = MANY.find((did) => !kept.includes(did)) ?? raise();
    expect(didsOf(redial.step({ kind: "reach", did: stranger }, 10))).toEqual([stranger]);
    redial.step(failed(stranger), 20);
    expect(didsOf(redial.step({ kind: "tick" }, 60_000))).not.toContain(stranger);
    redial.step({ kind: "reach", did: stranger }, 70_000);
    redial.step({ kind: "linked", did: stranger, addresses: ["a"] }, 70_010);
    redial.step({ kind: "lost", did: stranger }, 80_000);
    expect(didsOf(redial.step({ kind: "tick" }, 120_000))).not.toContain(stranger);
  });
});
