import { describe, expect, test } from "vitest";
import { run } from "../slow/delivery-kill.ts";
import { verifies } from "../requirements.ts";

verifies("messaging:reliable:delivery");

const quiet = (): void => undefined;

describe("kill -9 of the sender or the recipient of messages under load", () => {
  test(
    "loses nothing that was accepted, repeats nothing, and leaves nothing behind",
    { timeout: 240_000 },
    async () => {
      const outcome = await run({ cases: 50, seed: 1, onProgress: quiet });
      expect(outcome.failures).toEqual([]);
      expect(outcome.figures).toMatchObject({ kills: 50, faults: 0 });
      expect(outcome.figures?.["acknowledged"]).toBeGreaterThan(500);
    },
  );

  test("would find a sender that begins its sequences again", { timeout: 120_000 }, async () => {
    const outcome = await run({ cases: 6, seed: 2, onProgress: quiet }, { sameEpoch: true, drainTimeoutMs: 3000 });
    expect(outcome.failures).not.toEqual([]);
  });
});
