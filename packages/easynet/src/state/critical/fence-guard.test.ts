import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../storage/index.ts";
import { FenceGuard } from "./fence-guard.ts";

describe("FenceGuard", () => {
  test("whatever the order and the restarts: no token passes after a larger one, nor does it after its power was cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.nat(9), fc.boolean())), async (steps) => {
        let store = new MemoryStore();
        let guard = new FenceGuard(store, "fence");
        const largest = new Map<string, number>();
        for (const [resource, token, restart] of steps) {
          const passed = await guard.admit(resource, token).then(
            () => true,
            () => false,
          );
          expect(passed).toBe(token >= (largest.get(resource) ?? 0));
          if (passed) largest.set(resource, token);
          if (!restart) continue;
          store = store.cutPower();
          guard = new FenceGuard(store, "fence");
        }
      }),
    );
  });

  test("of two at the same moment the larger stays, also on disk", async () => {
    const store = new MemoryStore();
    const guard = new FenceGuard(store, "fence");
    const outcomes = await Promise.allSettled([guard.admit("r", 5), guard.admit("r", 7), guard.admit("r", 6)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected"]);
    await expect(new FenceGuard(store, "fence").admit("r", 6)).rejects.toMatchObject({ code: "TOKEN_STALE" });
  });

  test("what could not be written is not admitted, and is written with the next try", async () => {
    const store = new MemoryStore();
    const guard = new FenceGuard(store, "fence");
    store.fault = "full";
    await expect(guard.admit("r", 5)).rejects.toMatchObject({ code: "STORAGE_FULL" });
    store.fault = "none";
    await guard.admit("r", 5);
    await expect(new FenceGuard(store, "fence").admit("r", 4)).rejects.toMatchObject({ code: "TOKEN_STALE" });
  });
});
