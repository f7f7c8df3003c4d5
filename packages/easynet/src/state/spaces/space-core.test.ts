import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../../kernel/index.ts";
import { fakeDid } from "../../testing/index.ts";
import { DidCache } from "../did-cache.ts";
import { decodeEntries, decodePush, decodeSync, encodeEntries, encodeLines, encodePush } from "./codec.ts";
import { resolveSiblings } from "./rules-core.ts";
import { SpaceCore, type Told, TOMBSTONE_MS } from "./space-core.ts";
import { type Change, DEFAULT_SPACE, MERGE_RULES, type MergeRule, type SpaceSpec } from "./types.ts";

const NOW_MS = 1_700_000_000_000;
const dids = [0, 1, 2].map(fakeDid);
const cache = new DidCache();

function core(number: number, spec: Partial<SpaceSpec> = {}): SpaceCore {
  return new SpaceCore({ name: "s", self: dids[number] ?? "", epoch: 1, spec: { ...DEFAULT_SPACE, ...spec } });
}

function put(on: SpaceCore, [key, value]: readonly [string, unknown], nowMs = NOW_MS): Told {
  const written = on.change(key, { kind: "put", value }, { nowMs });
  if (!written) throw new Error("the change changed nothing");
  return written.told;
}

/** What a change looks like after the wire. */
function travelled(told: readonly Told[]): readonly Told[] {
  return decodePush(encodePush("s", told), cache).told;
}

/** `one` asks `other` for what it lacks, as replica.ts does it. */
function pull(one: SpaceCore, other: SpaceCore, nowMs = NOW_MS): void {
  const vector = other.vector.copy();
  if (!other.remembersSince(one.vector)) compareAll(one, other);
  for (const page of encodeEntries("s", [...other.lacking(one.vector)], { vector, isAnswer: true })) {
    one.absorb(decodeEntries(page, cache).entries, vector, nowMs);
  }
  one.learn(vector);
}

/** `one` compares all lines of `other`; what each side lacks is sent. */
function compareAll(one: SpaceCore, other: SpaceCore): void {
  const buckets = Array.from({ length: 64 }, (_, bucket) => bucket);
  const pages = encodeLines("s", { salt: 5, buckets, vector: other.vector }, (some) => other.lines(5, some));
  for (const page of pages) {
    const message = decodeSync(page, cache);
    if (message.kind !== "lines") throw new Error("unreachable");
    const { send, want } = one.compare(message.lines, message, message.vector);
    other.absorb(send, one.vector, NOW_MS);
    one.absorb(
      want.flatMap((key) => other.get(key) ?? []),
      other.vector,
      NOW_MS,
    );
  }
}

function shown(on: SpaceCore, key: string): unknown {
  const { value } = resolveSiblings(on.spec.merge, on.get(key)?.siblings ?? []);
  return value;
}

function stateOf(on: SpaceCore): unknown {
  const keys = [...on.entries()].filter(({ siblings }) => siblings.some(({ value }) => value)).map(({ key }) => key);
  return keys
    .sort()
    .map((key) => [key, shown(on, key), resolveSiblings(on.spec.merge, on.get(key)?.siblings ?? []).conflict]);
}

function changeFor(rule: MergeRule, number: number): Change {
  if (rule === "counter") return { kind: "increment", by: number - 3 };
  if (rule === "set") return { kind: number % 3 === 0 ? "remove" : "add", element: number % 4 };
  return { kind: "put", value: number };
}

const moves = fc.array(
  fc.record({
    who: fc.nat(2),
    what: fc.constantFrom("change", "change", "delete", "push", "push", "pull", "sweep", "restart"),
    key: fc.constantFrom("a", "b"),
    number: fc.nat(9),
  }),
  { maxLength: 40 },
);

describe.each(MERGE_RULES)("three replicas of a space that merges by %s", (rule) => {
  test("agree once each heard of the others, whatever was lost, came twice or out of order before", () => {
    fc.assert(
      fc.property(moves, (steps) => {
        const replicas = [0, 1, 2].map((number) => core(number, { merge: rule }));
        const inFlight: { to: number; told: Told }[] = [];
        let nowMs = NOW_MS;
        for (const { who, what, key, number } of steps) {
          const one = replicas[who];
          const other = replicas[(who + 1 + (number % 2)) % 3];
          if (!one || !other) throw new Error("unreachable");
          nowMs += number;
          if (what === "change" || what === "delete") {
            const change: Change = what === "delete" ? { kind: "delete" } : changeFor(rule, number);
            const written = one.change(key, change, { nowMs, resolve: true });
            for (const to of [0, 1, 2]) if (written && to !== who) inFlight.push({ to, told: written.told });
          } else if (what === "push") {
            const [message] = inFlight.splice(number % Math.max(1, inFlight.length), number % 3 === 0 ? 0 : 1);
            if (message) replicas[message.to]?.hear(travelled([message.told]), nowMs);
          } else if (what === "pull") pull(one, other, nowMs);
          else if (what === "sweep") one.sweep(nowMs + (number > 6 ? 2 * TOMBSTONE_MS : 0));
          else {
            const kept = { entries: [...one.entries()], vector: one.vector.copy(), dropped: one.dropped.copy() };
            replicas[who] = new SpaceCore({ name: "s", self: dids[who] ?? "", epoch: 1, spec: one.spec, kept });
          }
        }
        for (const { to, told } of inFlight) replicas[to]?.hear(travelled([told]), nowMs);
        for (let round = 0; round < 3; round++) {
          for (const one of replicas) for (const other of replicas) if (one !== other) pull(one, other, nowMs);
          for (const one of replicas) for (const other of replicas) if (one !== other) compareAll(one, other);
        }
        const [first, ...others] = replicas.map(stateOf);
        for (const other of others) expect(other).toEqual(first);
        const sums = replicas.map((each) => [...each.sums(7)].join());
        expect(new Set(sums).size).toBe(1);
      }),
      { numRuns: 60 },
    );
  });
});

describe("merge rules", () => {
  function concurrently(rule: MergeRule, changes: readonly Change[]): SpaceCore {
    const replicas = changes.map((_, number) => core(number, { merge: rule }));
    const told = changes.flatMap((change, number) => {
      const written = replicas[number]?.change("k", change, { nowMs: NOW_MS + number });
      return written ? [written.told] : [];
    });
    const [first] = replicas;
    if (!first) throw new Error("unreachable");
    for (const each of told) first.hear(travelled([each]), NOW_MS + 10);
    return first;
  }

  test("last-writer takes the latest stamp, and shows what was written beside it", () => {
    const both = concurrently("last-writer", [
      { kind: "put", value: "early" },
      { kind: "put", value: "late" },
    ]);
    const { value, versions } = resolveSiblings("last-writer", both.get("k")?.siblings ?? []);
    expect(value).toBe("late");
    expect(versions.map((version) => version.value)).toEqual(["late", "early"]);
    put(both, ["k", "decided"], NOW_MS + 20);
    expect(resolveSiblings("last-writer", both.get("k")?.siblings ?? []).versions).toHaveLength(1);
  });

  test("a set keeps what was added while somebody removed it elsewhere", () => {
    const one = core(0, { merge: "set" });
    const other = core(1, { merge: "set" });
    const added = one.change("k", { kind: "add", element: "x" }, { nowMs: NOW_MS });
    if (!added) throw new Error("unreachable");
    other.hear([added.told], NOW_MS);
    const removed = other.change("k", { kind: "remove", element: "x" }, { nowMs: NOW_MS + 1 });
    one.change("k", { kind: "add", element: "x" }, { nowMs: NOW_MS + 1 });
    if (!removed) throw new Error("unreachable");
    one.hear([removed.told], NOW_MS + 2);
    expect(shown(one, "k")).toEqual(["x"]);
    expect(shown(other, "k")).toBeUndefined();
  });

  test("a counter adds up what everybody added, a max takes the largest", () => {
    const sum = concurrently(
      "counter",
      [1, 2, 4].map((by) => ({ kind: "increment" as const, by })),
    );
    expect(shown(sum, "k")).toBe(7);
    const largest = concurrently(
      "max",
      [3, 9, 4].map((value) => ({ kind: "put" as const, value })),
    );
    expect(shown(largest, "k")).toBe(9);
    expect(largest.change("k", { kind: "put", value: 5 }, { nowMs: NOW_MS })).toBeUndefined();
  });

  test("keep-both asks: a further value is refused until somebody decides", () => {
    const both = concurrently("keep-both", [
      { kind: "put", value: 1 },
      { kind: "put", value: 2 },
    ]);
    const { conflict, versions } = resolveSiblings("keep-both", both.get("k")?.siblings ?? []);
    expect(conflict).toBe(true);
    expect(new Set(versions.map((version) => version.value))).toEqual(new Set([1, 2]));
    expect(() => put(both, ["k", 3])).toThrow(expect.objectContaining({ code: "STATE_CONFLICT" }));
    both.change("k", { kind: "put", value: 3 }, { nowMs: NOW_MS, resolve: true });
    expect(resolveSiblings("keep-both", both.get("k")?.siblings ?? [])).toMatchObject({ value: 3, conflict: false });
  });

  test("refuse changes of another rule and values that they cannot keep", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => core(0).change("k", { kind: "increment", by: 1 }, { nowMs: 0 })).toThrow(refused);
    expect(() => core(0, { merge: "set" }).change("k", { kind: "put", value: 1 }, { nowMs: 0 })).toThrow(refused);
    expect(() => core(0, { merge: "max" }).change("k", { kind: "put", value: "1" }, { nowMs: 0 })).toThrow(refused);
    expect(() => core(0).change("k", { kind: "put", value: undefined }, { nowMs: 0 })).toThrow(refused);
  });
});

describe("what one replica deleted", () => {
  test("does not come back from a replica that was away for longer than deletes are remembered", () => {
    const [one, away] = [core(0), core(1)];
    away.hear(travelled([put(one, ["k", 1]), put(one, ["stays", 1])]), NOW_MS);
    put(away, ["own", "written while away"]);
    one.change("k", { kind: "delete" }, { nowMs: NOW_MS + 1 });
    expect(one.sweep(NOW_MS + TOMBSTONE_MS)).toEqual([]);
    expect(one.sweep(NOW_MS + TOMBSTONE_MS + 2)).toEqual(["k"]);
    expect(one.remembersSince(away.vector)).toBe(false);
    pull(one, away);
    pull(away, one);
    expect(stateOf(away)).toEqual(stateOf(one));
    expect(shown(away, "k")).toBeUndefined();
    expect(shown(one, "own")).toBe("written while away");
  });
});

describe("limits", () => {
  const full = expect.objectContaining({ code: "SPACE_FULL" });

  test("are checked where a write is made, and leave room to overwrite and delete", () => {
    const small = core(0, { entriesMax: 2 });
    put(small, ["a", 1]);
    put(small, ["b", 1]);
    expect(() => put(small, ["c", 1])).toThrow(full);
    put(small, ["a", 2]);
    small.change("b", { kind: "delete" }, { nowMs: NOW_MS });
    put(small, ["c", 1]);
    const light = core(0, { bytesMax: 1024 });
    put(light, ["a", "x".repeat(900)]);
    expect(() => put(light, ["b", "x".repeat(200)])).toThrow(full);
    put(light, ["a", "y".repeat(800)]);
    put(light, ["b", "x".repeat(200)]);
    expect(light.counts.bytes).toBeLessThanOrEqual(1024);
    expect(() => put(core(0, { valueBytesMax: 4 }), ["a", "xxxxx"])).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  test("hold twice for what arrives, and stamps more than a minute ahead are refused until their time comes", () => {
    const [writer, small] = [core(0), core(1, { entriesMax: 1 })];
    const told = ["a", "b", "c"].map((key) => put(writer, [key, 1]));
    expect(small.hear(told, NOW_MS)).toMatchObject({ refusedCount: 1, missing: true });
    expect(small.counts.entries).toBe(2);
    const early = put(core(2), ["z", 1], NOW_MS + 60_001);
    expect(core(1).hear([early], NOW_MS).refusedCount).toBe(1);
    expect(core(1).hear([early], NOW_MS + 1).refusedCount).toBe(0);
  });

  test("of deletes that are remembered: the oldest go first", () => {
    const small = core(0, { entriesMax: 2 });
    for (const key of ["a", "b", "c"]) {
      put(small, [key, 1], NOW_MS);
      small.change(key, { kind: "delete" }, { nowMs: NOW_MS + 1 });
    }
    expect(small.sweep(NOW_MS + 10)).toEqual(["a"]);
  });
});

function codeOf(action: () => unknown): string {
  try {
    action();
    return "none";
  } catch (error) {
    return isEasynetError(error) ? error.code : String(error);
  }
}

test("bytes of strangers are refused with a typed error, whatever they are", () => {
  const samples = [
    encodePush("s", [put(core(0), ["a", 1])]),
    ...encodeEntries("s", [], { vector: core(0).vector, isAnswer: true }),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(), fc.integer({ min: 0, max: 255 }), (bytes, at, byte) => {
      const damaged = Uint8Array.from(bytes);
      damaged[at % damaged.length] = byte;
      const codes = [decodePush, decodeEntries, decodeSync].map((decode) => codeOf(() => decode(damaged, cache)));
      expect(codes.filter((code) => !/^(none|FRAME_.*|INVALID_ARGUMENT)$/.test(code))).toEqual([]);
    }),
    { numRuns: 500 },
  );
});
