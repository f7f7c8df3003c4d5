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

  test("a commit is not visible before it resolved", async () => {
    const store = new MemoryStore();
    const committed = store.commit([write]);
    expect(store.get("s", "a")).toBeUndefined();
    await committed;
    expect(store.get("s", "a")).toBeDefined();
  });
});
