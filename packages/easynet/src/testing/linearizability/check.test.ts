import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandom } from "../../kernel/index.ts";
import {
  type AppendCall,
  appendModel,
  checkLinearizable,
  IMPOSSIBLE,
  type Model,
  type Operation,
  type RegisterCall,
  registerModel,
  type RegisterValue,
} from "./index.ts";

type At = readonly [invokedAt: number, returnedAt: number];

const read = ([invokedAt, returnedAt]: At, value: RegisterValue): Operation<RegisterCall> => ({
  call: { kind: "read", value },
  invokedAt,
  returnedAt,
});
const write = ([invokedAt, returnedAt]: At, value: string): Operation<RegisterCall> => ({
  call: { kind: "write", value },
  invokedAt,
  returnedAt,
});
const swap = ([invokedAt, returnedAt]: At, call: Omit<Extract<RegisterCall, { kind: "cas" }>, "kind">) =>
  ({ call: { kind: "cas", ...call }, invokedAt, returnedAt }) satisfies Operation<RegisterCall>;

const judge = (...history: readonly Operation<RegisterCall>[]) => checkLinearizable(history, registerModel());

test("a read sees the last write that returned before it, or one that overlaps it", () => {
  expect(judge()).toEqual({ outcome: "linearizable" });
  expect(judge(write([1, 2], "a"), read([3, 4], "a"))).toEqual({ outcome: "linearizable" });
  expect(judge(write([1, 2], "a"), write([3, 6], "b"), read([4, 5], "a"))).toEqual({ outcome: "linearizable" });
  expect(judge(write([1, 2], "a"), write([3, 6], "b"), read([4, 5], "b"))).toEqual({ outcome: "linearizable" });
  expect(judge(write([1, 2], "a"), write([3, 4], "b"), read([5, 6], "a"))).toEqual({
    outcome: "violated",
    key: "",
    blocked: 2,
  });
});

test("what is asked at the moment of an answer overlaps it", () => {
  expect(judge(write([1, 2], "a"), read([2, 3], undefined)).outcome).toBe("linearizable");
});

test("two reads that overlap a write cannot see it and then not", () => {
  expect(judge(write([1, 9], "a"), read([2, 3], "a"), read([4, 5], undefined))).toMatchObject({ blocked: 2 });
});

test("an operation without an answer takes effect at any later time, once, or never", () => {
  const lost = write([1, Infinity], "a");
  expect(judge(lost, read([2, 3], undefined), read([8, 9], "a")).outcome).toBe("linearizable");
  expect(judge(lost, read([2, 3], undefined)).outcome).toBe("linearizable");
  expect(judge(lost, write([2, 3], "b"), read([4, 5], "a"), write([6, 7], "b"), read([8, 9], "a")).outcome).toBe(
    "violated",
  );
  const swapped = swap([1, Infinity], { from: undefined, to: "a", done: true });
  expect(judge(swapped, write([2, 3], "b"), read([4, 5], "a")).outcome).toBe("violated");
});

test("a compare-and-set is done from the value that it names, and refused from others only", () => {
  const first = swap([1, 2], { from: undefined, to: "a", done: true });
  expect(judge(first, read([3, 4], "a")).outcome).toBe("linearizable");
  expect(judge(first, swap([3, 4], { from: "a", to: "b", done: false })).outcome).toBe("violated");
  expect(judge(first, swap([3, 4], { from: "b", to: "c", done: true })).outcome).toBe("violated");
  expect(judge(first, swap([3, 4], { from: "b", to: "c", done: false })).outcome).toBe("linearizable");
});

test("each key is an object of its own, and the verdict names the one at fault", () => {
  const history: readonly Operation<RegisterCall & { readonly key: string }>[] = [
    { call: { key: "x", kind: "write", value: "a" }, invokedAt: 1, returnedAt: 2 },
    { call: { key: "y", kind: "read", value: undefined }, invokedAt: 3, returnedAt: 4 },
    { call: { key: "x", kind: "read", value: undefined }, invokedAt: 5, returnedAt: 6 },
  ];
  const verdict = checkLinearizable(history, registerModel(), { keyOf: ({ key }) => key });
  expect(verdict).toEqual({ outcome: "violated", key: "x", blocked: 2 });
});

test("a search that becomes too large is given up, and a violation of another key is still told", () => {
  // Every set of the twenty writes is another configuration, and none explains the read.
  const overlapping = Array.from({ length: 20 }, (_, index) => write([1, 3], `w${index}`));
  const history = [...overlapping, read([2, 3], "nobody wrote it")];
  const configurationCountMax = 10_000;
  expect(checkLinearizable(history, registerModel(), { configurationCountMax })).toEqual({
    outcome: "undecided",
    key: "",
  });
  const bad = read([1, 2], "neither this");
  const verdict = checkLinearizable([...history, bad], registerModel(), {
    configurationCountMax,
    keyOf: (call) => (call === bad.call ? "bad" : "large"),
  });
  expect(verdict).toEqual({ outcome: "violated", key: "bad", blocked: 21 });
});

test("texts with append have the same state exactly when they are equal", () => {
  const run = (calls: readonly AppendCall[]): number =>
    calls.reduce((state, call) => appendModel.effectOf(call, true)(state), appendModel.initial);
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 6 }), fc.string(), (parts, other) => {
      const text = parts.join("");
      const state = run(parts.map((value) => ({ kind: "append", value })));
      expect(Number.isSafeInteger(state) && state >= 0).toBe(true);
      expect(run([{ kind: "put", value: text }])).toBe(state);
      expect(appendModel.effectOf({ kind: "get", value: text }, true)(state)).toBe(state);
      const wrong = appendModel.effectOf({ kind: "get", value: other }, true)(state);
      expect(wrong).toBe(other === text ? state : IMPOSSIBLE);
    }),
  );
});

/** Every order of every subset that keeps what returned before what was asked later; the definition, word by word. */
function isLinearizable<Call>(history: readonly Operation<Call>[], model: Model<Call>): boolean {
  const explore = (left: readonly Operation<Call>[], state: number): boolean => {
    if (left.every(({ returnedAt }) => returnedAt === Infinity)) return true;
    return left.some((operation) => {
      if (left.some(({ returnedAt }) => returnedAt < operation.invokedAt)) return false;
      const after = model.effectOf(operation.call, operation.returnedAt !== Infinity)(state);
      return (
        after !== IMPOSSIBLE &&
        explore(
          left.filter((each) => each !== operation),
          after,
        )
      );
    });
  };
  return explore(history, model.initial);
}

const values = fc.constantFrom(undefined, "a", "b");
const calls: fc.Arbitrary<RegisterCall> = fc.oneof(
  fc.record({ kind: fc.constant("read"), value: values }),
  fc.record({ kind: fc.constant("write"), value: values }),
  fc.record({ kind: fc.constant("cas"), from: values, to: values, done: fc.boolean() }),
);
const operations = fc
  .record({ call: calls, invokedAt: fc.nat(12), lasts: fc.nat(6), answered: fc.integer({ min: 0, max: 4 }) })
  .map(({ call, invokedAt, lasts, answered }) => ({
    call,
    invokedAt,
    returnedAt: answered === 0 ? Infinity : invokedAt + lasts,
  }));

test("any small history has the verdict that trying every order gives", () => {
  const seen = { linearizable: 0, violated: 0 };
  fc.assert(
    fc.property(fc.array(operations, { maxLength: 7 }), (history) => {
      const expected = isLinearizable(history, registerModel());
      seen[expected ? "linearizable" : "violated"] += 1;
      expect(judge(...history).outcome).toBe(expected ? "linearizable" : "violated");
    }),
    { numRuns: 1500, seed: 1 },
  );
  expect(Math.min(seen.linearizable, seen.violated)).toBeGreaterThan(200);
});

interface Made {
  readonly history: Operation<RegisterCall>[];
  /** Reads that returned, whose answers can be changed. */
  readonly reads: readonly number[];
}

/** What clients see of a register whose calls take effect at one moment while they run. */
function makeHistory(seed: number, count: number): Made {
  const random = seededRandom(seed);
  const chance = (ratio: number): boolean => random.next() < ratio;
  const some = (): string => `v${Math.floor(random.next() * 4)}`;
  const plans = Array.from({ length: count }, () => {
    const invokedAt = random.next() * count;
    const effectAt = invokedAt + random.next() * 3;
    return { invokedAt, effectAt, returnedAt: chance(0.05) ? Infinity : effectAt + random.next() * 3 };
  });
  let state: RegisterValue;
  const history: Operation<RegisterCall>[] = [];
  for (const { invokedAt, effectAt, returnedAt } of plans.toSorted((one, two) => one.effectAt - two.effectAt)) {
    const dropped = returnedAt === Infinity && chance(0.5);
    const kind = chance(0.5) ? "read" : chance(0.5) ? "write" : "cas";
    const [from, to] = [some(), some()];
    const done = state === from;
    const call: RegisterCall =
      kind === "read" ? { kind, value: state } : kind === "write" ? { kind, value: to } : { kind, from, to, done };
    if (!dropped && kind === "write") state = to;
    if (!dropped && kind === "cas" && done) state = to;
    history.push({ call, invokedAt, returnedAt: Math.max(returnedAt, effectAt) });
  }
  const reads = [...history.keys()].filter((index) => {
    const operation = history[index];
    return operation?.call.kind === "read" && operation.returnedAt !== Infinity;
  });
  return { history, reads };
}

test("histories of a correct register are accepted, and refused when a read saw what nobody wrote", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 120 }), (seed, count) => {
      const { history, reads } = makeHistory(seed, count);
      expect(judge(...history)).toEqual({ outcome: "linearizable" });
      const changed = reads[seed % Math.max(reads.length, 1)];
      if (changed === undefined) return;
      const { invokedAt, returnedAt } = history[changed]!;
      const mutated = history.with(changed, read([invokedAt, returnedAt], "nobody wrote it"));
      expect(judge(...mutated)).toEqual({ outcome: "violated", key: "", blocked: changed });
    }),
    { numRuns: 100 },
  );
});

test("histories with one answer of another value have the verdict that trying every order gives", () => {
  const seen = { linearizable: 0, violated: 0 };
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom("v0", "v1", "v2", "v3"), (seed, value) => {
      const { history, reads } = makeHistory(seed, 8);
      const changed = reads[seed % Math.max(reads.length, 1)];
      if (changed === undefined) return;
      const { invokedAt, returnedAt } = history[changed]!;
      const mutated = history.with(changed, read([invokedAt, returnedAt], value));
      const expected = isLinearizable(mutated, registerModel()) ? "linearizable" : "violated";
      seen[expected] += 1;
      expect(judge(...mutated).outcome).toBe(expected);
    }),
    { numRuns: 300, seed: 2 },
  );
  expect(Math.min(seen.linearizable, seen.violated)).toBeGreaterThan(30);
});
