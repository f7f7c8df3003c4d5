import { describe, expect, test } from "vitest";
import { criticalContract } from "../../testing/contracts/critical.ts";
import { VirtualClock } from "../../testing/virtual-clock.ts";
import { MemoryCriticalStore } from "./memory-critical-store.ts";

describe("MemoryCriticalStore", () => {
  test.for(criticalContract)("$name", async ({ run }) => {
    const clock = new VirtualClock();
    const open = async () => {
      const store = new MemoryCriticalStore(clock);
      const close = async (): Promise<void> => Promise.resolve(store[Symbol.dispose]());
      return Promise.resolve({ store, other: store, [Symbol.asyncDispose]: close });
    };
    await expect(run({ open, pass: async (durationMs) => clock.advanceAsync(durationMs) })).resolves.toBeUndefined();
  });

  test("without a majority everything is refused at once and nothing is done", async () => {
    using store = new MemoryCriticalStore(new VirtualClock());
    store.hasMajority = false;
    await expect(store.put("a", new Uint8Array(1))).rejects.toMatchObject({ code: "NO_MAJORITY", retryable: true });
    await expect(store.get("a")).rejects.toMatchObject({ code: "NO_MAJORITY" });
    store.hasMajority = true;
    await expect(store.get("a")).resolves.toBeUndefined();
  });
});
