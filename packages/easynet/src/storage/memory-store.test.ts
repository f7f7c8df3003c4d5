import { describe, expect, test } from "vitest";
import { storeContract } from "../testing/contracts/store.ts";
import { MemoryStore } from "./memory-store.ts";
import type { Store } from "./types.ts";

describe("MemoryStore", () => {
  test.for(storeContract)("$name", async ({ run }) => {
    const reopen = async (store: Store): Promise<Store> => {
      if (!(store instanceof MemoryStore)) throw new TypeError("another kind of store");
      return Promise.resolve(store.reopen());
    };
    const kept = run({ open: async () => Promise.resolve(new MemoryStore()), reopen });
    await expect(kept).resolves.toBeUndefined();
  });

  const write = { kind: "put", space: "s", key: "a", value: new Uint8Array(1) } as const;

  test("a planted fault rejects the commits made under it and writes nothing", async () => {
    const store = new MemoryStore();
    store.fault = "full";
    await expect(store.commit([write])).rejects.toMatchObject({ code: "STORAGE_FULL", retryable: true });
    store.fault = "failed";
    await expect(store.commit([write])).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    expect(store.get("s", "a")).toBeUndefined();
    store.fault = "none";
    await store.commit([write]);
    expect(store.get("s", "a")).toBeDefined();
  });

  test("a power cut takes what was committed for the process only since the last commit that reached the disk", async () => {
    const store = new MemoryStore();
    const value = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
    const put = (key: string, text: string) => ({ kind: "put", space: "s", key, value: value(text) }) as const;
    await store.commit([put("kept", "1"), put("changed", "1"), put("deleted", "1")]);
    await store.commit([put("early", "1")], { durability: "process" });
    await store.commit([put("kept", "2")]);
    const fromThere = [put("changed", "2"), put("new", "1"), { kind: "delete", space: "s", key: "deleted" }] as const;
    await store.commit(fromThere, { durability: "process" });
    await store.commit([put("changed", "3")], { durability: "process" });
    const cut = store.cutPower();
    const left = cut.list("s").map((entry) => [entry.key, Buffer.from(entry.value).toString()]);
    expect(Object.fromEntries(left)).toEqual({ changed: "1", deleted: "1", early: "1", kept: "2" });
    expect(() => store.get("s", "kept")).toThrow(/closed/);
    await cut.commit([put("new", "2")], { durability: "process" });
    expect(cut.reopen().cutPower().get("s", "new")).toEqual(value("2"));
  });

  test("a commit is not visible before it resolved", async () => {
    const store = new MemoryStore();
    const committed = store.commit([write]);
    expect(store.get("s", "a")).toBeUndefined();
    await committed;
    expect(store.get("s", "a")).toBeDefined();
  });
});
