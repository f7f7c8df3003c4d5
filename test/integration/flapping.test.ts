import { describe, expect, test } from "vitest";
import { flap } from "../support/flap.ts";
import { namespacesMissing } from "../support/namespaces.ts";

const missing = namespacesMissing();
/** Too short for links to be lost: this shows that the slow lane's look at the processes finds what stays. */
const SHORT = { seed: 1, warmUpMs: 4000, flapMs: 8000, downMsMax: 600, settleMs: 1000 } as const;

describe.skipIf(missing !== undefined)(`flapping cables${missing === undefined ? "" : ` (${missing})`}`, () => {
  test("a process that keeps timers, files and memory of each call is found", async () => {
    const { leaks, completed } = await flap({ ...SHORT, fault: "leak" });
    expect(completed).toBeGreaterThan(0);
    expect(leaks.map((leak) => leak.split(":", 1)[0])).toEqual(
      expect.arrayContaining(["b leaks timers", "b leaks fileDescriptors", "b leaks heapBytes"]),
    );
  }, 300_000);
});
