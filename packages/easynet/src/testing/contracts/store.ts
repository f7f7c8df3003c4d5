import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { isEasynetError, seededRandom, type ErrorCode, type Random } from "../../kernel/index.ts";
import { KEY_BYTES_MAX, SPACE_BYTES_MAX, type Store, VALUE_BYTES_MAX, type Write } from "../../storage/index.ts";

/** What an adapter gives the suite. */
export interface StoreHarness {
  /** A new, empty store. */
  readonly open: () => Promise<Store>;
  /** What a new process would find after `store` was closed. */
  readonly reopen: (store: Store) => Promise<Store>;
}

/** One promise of the Store port; independent of the test runner. */
export interface StoreCase {
  readonly name: string;
  readonly run: (harness: StoreHarness) => Promise<void>;
}

const text = (value: Uint8Array | undefined): string | undefined => value && Buffer.from(value).toString();
const put = (key: string, value: string, space = "s"): Write => ({
  kind: "put",
  space,
  key,
  value: Buffer.from(value),
});
const remove = (key: string, space = "s"): Write => ({ kind: "delete", space, key });
const withCode = (code: ErrorCode) => (error: unknown) => isEasynetError(error, code);
const keysOf = (store: Store, options: Parameters<Store["list"]>[1] = {}): readonly string[] =>
  store.list("s", options).map(({ key }) => key);

/** Every promise of the Store port, for each adapter: `test.for(storeContract)("$name", async (each) => each.run(harness))`. */
export const storeContract: readonly StoreCase[] = [
  {
    name: "get sees a commit as soon as it resolved; an unknown key is undefined",
    async run({ open }) {
      await using store = disposable(await open());
      await store.commit([put("a", "1")]);
      strictEqual(text(store.get("s", "a")), "1");
      await store.commit([put("a", "2"), put("b", "3")]);
      deepStrictEqual([text(store.get("s", "a")), text(store.get("s", "b"))], ["2", "3"]);
      strictEqual(store.get("s", "c"), undefined);
      strictEqual(store.get("other", "a"), undefined);
    },
  },
  {
    name: "deletes what is there and does not mind what is not",
    async run({ open }) {
      await using store = disposable(await open());
      await store.commit([put("a", "1"), put("b", "2")]);
      await store.commit([remove("a"), remove("never")]);
      deepStrictEqual(keysOf(store), ["b"]);
    },
  },
  {
    name: "the writes of one commit apply in order",
    async run({ open }) {
      await using store = disposable(await open());
      await store.commit([put("a", "1"), remove("a"), put("a", "2"), put("b", "1"), remove("b")]);
      deepStrictEqual([text(store.get("s", "a")), store.get("s", "b")], ["2", undefined]);
    },
  },
  {
    name: "commits apply in order of the calls, also when nobody waits between them",
    async run({ open }) {
      await using store = disposable(await open());
      await Promise.all(Array.from({ length: 300 }, async (_, index) => store.commit([put("a", String(index))])));
      strictEqual(text(store.get("s", "a")), "299");
    },
  },
  {
    name: "a commit for the process only is seen at once, keeps the order of the calls, and is found after a restart",
    async run({ open, reopen }) {
      const store = await open();
      const commits = Array.from({ length: 300 }, async (_, index) =>
        store.commit([put("a", String(index)), put(String(index), "x")], {
          durability: index % 7 === 0 ? "disk" : "process",
        }),
      );
      await Promise.all(commits);
      strictEqual(text(store.get("s", "a")), "299");
      await store.commit([put("a", "last")], { durability: "process" });
      strictEqual(text(store.get("s", "a")), "last");
      await store.close();
      await using again = disposable(await reopen(store));
      deepStrictEqual([text(again.get("s", "a")), again.list("s").length], ["last", 301]);
    },
  },
  {
    name: "an empty value stays a value, and an empty commit resolves",
    async run({ open }) {
      await using store = disposable(await open());
      await store.commit([{ kind: "put", space: "s", key: "a", value: new Uint8Array(0) }]);
      await store.commit([]);
      strictEqual(store.get("s", "a")?.byteLength, 0);
      strictEqual(store.list("s").length, 1);
    },
  },
  {
    name: "a value is taken as it was at the call, and only its own view",
    async run({ open }) {
      await using store = disposable(await open());
      const large = Buffer.from("--hello--");
      const committed = store.commit([{ kind: "put", space: "s", key: "a", value: large.subarray(2, 7) }]);
      large.fill(0);
      await committed;
      strictEqual(text(store.get("s", "a")), "hello");
      store.get("s", "a")?.fill(0);
      strictEqual(text(store.get("s", "a")), "hello");
    },
  },
  {
    name: "lists by UTF-8 bytes, by prefix, after a key, and up to a limit",
    async run({ open }) {
      await using store = disposable(await open());
      // U+FFFD sorts before U+1F600 in UTF-8, after it in JavaScript's own order.
      const keys = ["a/1", "a/10", "a/2", "a", "a0", "b", "é", "\u{fffd}", "\u{1f600}"];
      await store.commit(keys.map((key) => put(key, key)));
      await store.commit([put("a/1", "elsewhere", "t")]);
      deepStrictEqual(keysOf(store), ["a", "a/1", "a/10", "a/2", "a0", "b", "é", "\u{fffd}", "\u{1f600}"]);
      deepStrictEqual(keysOf(store, { prefix: "a/" }), ["a/1", "a/10", "a/2"]);
      deepStrictEqual(keysOf(store, { prefix: "a/", after: "a/1" }), ["a/10", "a/2"]);
      deepStrictEqual(keysOf(store, { prefix: "a/", after: "a" }), ["a/1", "a/10", "a/2"]);
      deepStrictEqual(keysOf(store, { prefix: "a/", after: "b" }), []);
      deepStrictEqual(keysOf(store, { limit: 2 }), ["a", "a/1"]);
      deepStrictEqual(keysOf(store, { after: "a/10", limit: 2 }), ["a/2", "a0"]);
      deepStrictEqual(keysOf(store, { prefix: "zzz" }), []);
      for (const { key, value } of store.list("s")) strictEqual(text(value), key);
    },
  },
  {
    name: "refuses keys, values and limits beyond their bounds, and then writes nothing of that commit",
    async run({ open }) {
      await using store = disposable(await open());
      const invalid: readonly Write[] = [
        put("", "x"),
        put("k".repeat(KEY_BYTES_MAX + 1), "x"),
        put("é".repeat(KEY_BYTES_MAX / 2 + 1), "x"),
        put("a\0b", "x"),
        put("a\u{d800}", "x"),
        put("a", "x", ""),
        put("a", "x", "s".repeat(SPACE_BYTES_MAX + 1)),
        { kind: "put", space: "s", key: "a", value: new Uint8Array(VALUE_BYTES_MAX + 1) },
        remove("k".repeat(KEY_BYTES_MAX + 1)),
      ];
      for (const write of invalid) {
        await rejects(store.commit([put("good", "x"), write]), withCode("INVALID_ARGUMENT"));
      }
      for (const limit of [0, -1, 1.5, 10_001, Number.NaN]) {
        throws(() => store.list("s", { limit }), withCode("INVALID_ARGUMENT"));
      }
      deepStrictEqual(keysOf(store), []);
      await store.commit([put("k".repeat(KEY_BYTES_MAX), "x", "s".repeat(SPACE_BYTES_MAX))]);
    },
  },
  {
    name: "takes 64 MiB at once, refuses more with OVERLOADED, and goes on afterwards",
    async run({ open }) {
      await using store = disposable(await open());
      const value = new Uint8Array(VALUE_BYTES_MAX - 4096).fill(7);
      const results = await Promise.allSettled(
        Array.from({ length: 6 }, async (_, index) =>
          store.commit([{ kind: "put", space: "s", key: String(index), value }]),
        ),
      );
      deepStrictEqual(
        results.map(({ status }) => status),
        ["fulfilled", "fulfilled", "fulfilled", "fulfilled", "rejected", "rejected"],
      );
      for (const result of results) ok(result.status === "fulfilled" || withCode("OVERLOADED")(result.reason));
      await store.commit([put("later", "x")]);
      deepStrictEqual(keysOf(store), ["0", "1", "2", "3", "later"]);
      strictEqual(text(store.get("s", "later")), "x");
    },
  },
  {
    name: "close waits for the commits it took, refuses later ones, and may be called again",
    async run({ open, reopen }) {
      const store = await open();
      const taken = Array.from({ length: 50 }, async (_, index) => store.commit([put(String(index), "x")]));
      await Promise.all([store.close(), store.close()]);
      await Promise.all(taken);
      await rejects(store.commit([put("late", "x")]), withCode("STORAGE_FAILED"));
      throws(() => store.get("s", "1"), withCode("STORAGE_FAILED"));
      throws(() => store.list("s"), withCode("STORAGE_FAILED"));
      await using again = disposable(await reopen(store));
      strictEqual(again.list("s").length, 50);
    },
  },
  {
    name: "behaves as a plain map under random commits, and so does what is found after a restart",
    async run({ open, reopen }) {
      for (let seed = 1; seed <= 3; seed += 1) {
        const random = seededRandom(seed);
        const model = new Map<string, string>();
        let store = await open();
        for (let round = 0; round < 20; round += 1) {
          await store.commit(randomWrites(random, model));
          if (random.next() < 0.1) {
            await store.close();
            store = await reopen(store);
          }
          const expected = [...model].sort(([left], [right]) => (left < right ? -1 : 1));
          deepStrictEqual(
            store.list("s").map(({ key, value }) => [key, text(value)]),
            expected,
            `seed ${seed}, round ${round}`,
          );
        }
        await store.close();
      }
    },
  },
];

function randomWrites(random: Random, model: Map<string, string>): readonly Write[] {
  return Array.from({ length: 1 + Math.floor(random.next() * 20) }, () => {
    const key = `k${Math.floor(random.next() * 30)}`;
    if (random.next() < 0.3) {
      model.delete(key);
      return remove(key);
    }
    const value = "v".repeat(Math.floor(random.next() * 5000));
    model.set(key, value);
    return put(key, value);
  });
}

function disposable(store: Store): Store & AsyncDisposable {
  return {
    commit: async (writes, options) => store.commit(writes, options),
    get: (space, key) => store.get(space, key),
    list: (space, options) => store.list(space, options),
    close: async () => store.close(),
    [Symbol.asyncDispose]: async () => store.close(),
  };
}
