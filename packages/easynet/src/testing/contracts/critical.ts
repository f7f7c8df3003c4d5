import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { isEasynetError, type ErrorCode } from "../../kernel/index.ts";
import type { CriticalEvent, CriticalStore, Lease, LeaseOutcome } from "../../state/index.ts";

/** What an adapter gives the suite. */
export interface CriticalHarness {
  /** A new, empty store, and another access to the same one as from another node. */
  readonly open: () => Promise<{ readonly store: CriticalStore; readonly other: CriticalStore } & AsyncDisposable>;
  /** Lets time pass for the store, in truth or by its clock. */
  readonly pass: (durationMs: number) => Promise<void>;
}

/** One promise of the CriticalStore port; independent of the test runner. */
export interface CriticalCase {
  readonly name: string;
  readonly run: (harness: CriticalHarness) => Promise<void>;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString();
const withCode = (code: ErrorCode) => (error: unknown) => isEasynetError(error, code);
const TTL_MS = 2000;

function granted(outcome: LeaseOutcome): Lease {
  ok(outcome.granted, "the lease was to be granted");
  return outcome.lease;
}

/** Waits for what another access will see soon. */
async function until(harness: CriticalHarness, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    if (await condition()) return;
    await harness.pass(50);
  }
  ok(await condition(), "it did not come true in 20 s");
}

const keys: readonly CriticalCase[] = [
  {
    name: "get sees what put wrote, from everywhere; a delete takes it away once",
    async run({ open }) {
      await using at = await open();
      strictEqual(await at.store.get("a"), undefined);
      const first = await at.store.put("a", bytes("1"));
      const second = await at.other.put("a", bytes("2"));
      ok(second > first, "revisions rise");
      const entry = await at.store.get("a");
      deepStrictEqual([entry?.key, text(entry?.value), entry?.revision], ["a", "2", second]);
      strictEqual(await at.store.delete("a"), true);
      strictEqual(await at.other.get("a"), undefined);
      strictEqual(await at.store.delete("a"), false);
    },
  },
  {
    name: "a value may be empty, and any bytes",
    async run({ open }) {
      await using at = await open();
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      await at.store.put("任意 / key", value);
      await at.store.put("empty", new Uint8Array(0));
      deepStrictEqual([...((await at.other.get("任意 / key"))?.value ?? [])], [...value]);
      strictEqual((await at.other.get("empty"))?.value.length, 0);
    },
  },
  {
    name: "compareAndSet changes a key only from the revision that was named",
    async run({ open }) {
      await using at = await open();
      const made = await at.store.compareAndSet({ key: "k", revision: 0, value: bytes("1") });
      ok(made.done);
      const again = await at.other.compareAndSet({ key: "k", revision: 0, value: bytes("x") });
      ok(!again.done);
      deepStrictEqual([text(again.current?.value), again.current?.revision], ["1", made.revision]);
      const changed = await at.other.compareAndSet({ key: "k", revision: made.revision, value: bytes("2") });
      ok(changed.done && changed.revision > made.revision);
      ok(
        !(await at.store.compareAndSet({ key: "k", revision: made.revision })).done,
        "an old revision deletes nothing",
      );
      ok((await at.store.compareAndSet({ key: "k", revision: changed.revision })).done);
      const gone = await at.store.compareAndSet({ key: "k", revision: changed.revision, value: bytes("3") });
      ok(!gone.done && gone.current === undefined);
    },
  },
  {
    name: "of many that make the same key one wins, and the others see it",
    async run({ open }) {
      await using at = await open();
      const tries = Array.from({ length: 20 }, async (_, index) => {
        const { store, other } = at;
        return (index % 2 ? store : other).compareAndSet({ key: "name", revision: 0, value: bytes(String(index)) });
      });
      const outcomes = await Promise.all(tries);
      strictEqual(outcomes.filter(({ done }) => done).length, 1);
      const winner = text((await at.store.get("name"))?.value);
      for (const outcome of outcomes) if (!outcome.done) strictEqual(text(outcome.current?.value), winner);
    },
  },
  {
    name: "list gives the keys of a prefix in order, in pages",
    async run({ open }) {
      await using at = await open();
      for (const key of ["b/2", "a/1", "b/1", "b/10", "c", "b"]) await at.store.put(key, bytes(key));
      const names = async (after?: string, limit?: number): Promise<readonly string[]> =>
        (await at.other.list("b/", { after, limit })).map(({ key }) => key);
      deepStrictEqual(await names(), ["b/1", "b/10", "b/2"]);
      deepStrictEqual(await names(undefined, 2), ["b/1", "b/10"]);
      deepStrictEqual(await names("b/10"), ["b/2"]);
      deepStrictEqual(await names("b/2"), []);
      strictEqual((await at.other.list("")).length, 6);
    },
  },
  {
    name: "watch tells every later change of its prefix, in order",
    async run(harness) {
      await using at = await harness.open();
      await at.store.put("w/before", bytes("0"));
      const seen: CriticalEvent[] = [];
      using _watch = await at.other.watch("w/", (event) => void seen.push(event));
      const first = await at.store.put("w/1", bytes("1"));
      await at.store.put("elsewhere", bytes("x"));
      await at.other.put("w/1", bytes("2"));
      await at.store.delete("w/1");
      await until(harness, () => seen.length >= 3);
      deepStrictEqual(
        seen.map(({ key, value }) => [key, text(value)]),
        [
          ["w/1", "1"],
          ["w/1", "2"],
          ["w/1", undefined],
        ],
      );
      strictEqual(seen[0]?.revision, first);
      ok(seen.every(({ revision }, index) => index === 0 || revision > (seen[index - 1]?.revision ?? 0)));
    },
  },
  {
    name: "a watch that was ended hears nothing more",
    async run(harness) {
      await using at = await harness.open();
      const seen: string[] = [];
      const ended = await at.store.watch("", ({ key }) => void seen.push(`ended ${key}`));
      using _kept = await at.store.watch("", ({ key }) => void seen.push(`kept ${key}`));
      ended[Symbol.dispose]();
      await at.store.put("a", bytes("1"));
      await until(harness, () => seen.length > 0);
      deepStrictEqual(seen, ["kept a"]);
    },
  },
  {
    name: "a counter adds up whoever adds, and other values are left alone",
    async run({ open }) {
      await using at = await open();
      const adds = Array.from({ length: 20 }, async (_, index) =>
        (index % 2 ? at.store : at.other).add("n", index + 1),
      );
      const sums = await Promise.all(adds);
      strictEqual(Math.max(...sums), 210);
      strictEqual(new Set(sums).size, 20, "no addition was lost");
      strictEqual(await at.store.add("n", -220), -10);
      await at.store.put("n", bytes("ten"));
      await rejects(at.store.add("n", 1), withCode("INVALID_ARGUMENT"));
      await at.store.put("n", bytes(String(Number.MAX_SAFE_INTEGER)));
      await rejects(at.store.add("n", 1), withCode("INVALID_ARGUMENT"));
    },
  },
  {
    name: "what is beyond a limit is refused and not written",
    async run({ open }) {
      await using at = await open();
      await rejects(at.store.put("", bytes("1")), withCode("INVALID_ARGUMENT"));
      await rejects(at.store.put("k".repeat(513), bytes("1")), withCode("INVALID_ARGUMENT"));
      await rejects(at.store.put("a\0b", bytes("1")), withCode("INVALID_ARGUMENT"));
      await rejects(at.store.put("k", new Uint8Array(256 * 1024 + 1)), withCode("INVALID_ARGUMENT"));
      await rejects(at.store.add("k", 0.5), withCode("INVALID_ARGUMENT"));
      await rejects(at.store.list("", { limit: 0 }), withCode("INVALID_ARGUMENT"));
      await rejects(at.store.acquire({ resource: "r", owner: "o", ttlMs: 999 }), withCode("INVALID_ARGUMENT"));
      strictEqual((await at.store.list("")).length, 0);
      const large = new Uint8Array(256 * 1024).fill(7);
      await at.store.put("k".repeat(512), large);
      strictEqual((await at.other.get("k".repeat(512)))?.value.length, large.length);
    },
  },
  {
    name: "a call whose signal is aborted ends with its reason",
    async run({ open }) {
      await using at = await open();
      const reason = new Error("no longer wanted");
      await rejects(at.store.get("a", { signal: AbortSignal.abort(reason) }), reason);
      await rejects(at.store.put("a", bytes("1"), { signal: AbortSignal.abort(reason) }), reason);
      strictEqual(await at.store.get("a"), undefined);
    },
  },
];

const leases: readonly CriticalCase[] = [
  {
    name: "one owner holds a resource; the others learn who",
    async run({ open }) {
      await using at = await open();
      const outcomes = await Promise.all(
        ["anna", "ben", "cao"].map(async (owner, index) =>
          (index % 2 ? at.store : at.other).acquire({ resource: "r", owner, ttlMs: TTL_MS * 10 }),
        ),
      );
      const lease = outcomes.flatMap((outcome) => (outcome.granted ? [outcome.lease] : []));
      strictEqual(lease.length, 1);
      for (const outcome of outcomes) if (!outcome.granted) strictEqual(outcome.holder.token, lease[0]?.token);
      deepStrictEqual(await at.store.holder("r"), lease[0]);
      deepStrictEqual(await at.other.holder("r"), lease[0]);
      strictEqual(await at.store.holder("other"), undefined);
    },
  },
  {
    name: "every grant has a larger token, also for the same owner and after a release",
    async run({ open }) {
      await using at = await open();
      const request = { resource: "r", ttlMs: TTL_MS * 10 };
      const tokens: number[] = [];
      const first = granted(await at.store.acquire({ ...request, owner: "anna" }));
      const second = granted(await at.other.acquire({ ...request, owner: "anna" }));
      strictEqual(await at.store.release(first), false, "the first grant is over");
      strictEqual(await at.store.keepAlive(first), false);
      strictEqual(await at.store.release(second), true);
      strictEqual(await at.other.holder("r"), undefined);
      strictEqual(await at.store.release(second), false);
      const third = granted(await at.store.acquire({ ...request, owner: "ben" }));
      tokens.push(first.token, second.token, third.token);
      ok(
        tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0)),
        String(tokens),
      );
    },
  },
  {
    name: "a lease ends when it is not kept alive, and not before",
    async run(harness) {
      await using at = await harness.open();
      const lease = granted(await at.store.acquire({ resource: "r", owner: "anna", ttlMs: TTL_MS }));
      for (let round = 0; round < 6; round++) {
        await harness.pass(TTL_MS / 3);
        strictEqual(await at.other.keepAlive(lease), true);
      }
      deepStrictEqual(await at.other.holder("r"), lease);
      await until(harness, async () => (await at.other.holder("r")) === undefined);
      strictEqual(await at.store.keepAlive(lease), false);
      const next = granted(await at.other.acquire({ resource: "r", owner: "ben", ttlMs: TTL_MS }));
      ok(next.token > lease.token);
    },
  },
  {
    name: "a lease is no key, and keys of the same name are not disturbed",
    async run({ open }) {
      await using at = await open();
      await at.store.put("r", bytes("1"));
      const lease = granted(await at.store.acquire({ resource: "r", owner: "anna", ttlMs: TTL_MS * 10 }));
      await at.store.delete("r");
      deepStrictEqual(await at.store.holder("r"), lease);
      strictEqual((await at.store.list("")).length, 0);
    },
  },
];

/** Every promise of the CriticalStore port, for each adapter. */
export const criticalContract: readonly CriticalCase[] = [...keys, ...leases];
