import { describe, expect, test } from "vitest";
import { healAfterOutage, healAfterNewAddress } from "../support/heal.ts";
import { Namespaces, namespacesMissing } from "../support/namespaces.ts";
import { verifies } from "../requirements.ts";

const missing = namespacesMissing();
/** What a call over a broken link may end with. */
const HONEST_CODES = ["PROVIDER_LOST", "PEER_UNREACHABLE", "NO_CAPABLE_AGENT", "LINK_CLOSED"];

describe.skipIf(missing !== undefined)(
  `nodes in network namespaces${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    verifies("mesh:topology:adapt", "mesh:route:forward", "mesh:health:failover");

    test("a member that is reached only through another one answers calls", async () => {
      await using world = new Namespaces();
      for (const label of ["a", "b", "c"]) world.add(label);
      world.join("a", "b", ["10.71.1.1/24", "10.71.1.2/24"]);
      world.join("b", "c", ["10.71.2.2/24", "10.71.2.3/24"]);
      const [a, b, c] = [await world.start("a"), await world.start("b"), await world.start("c")];
      await a.connect("10.71.1.2:7441");
      await c.connect("10.71.2.2:7441");
      await expect.poll(() => a.peers(), { timeout: 15_000 }).toMatchObject([{ did: b.did }, { did: c.did, via: "b" }]);
      expect(await a.call("echo-c", "through b")).toMatchObject({ value: "c: through b" });
      expect(await c.call("echo-a", "and back")).toMatchObject({ value: "a: and back" });
    });

    test("a cable that was out for ten seconds: links come back, every call has an end", async () => {
      const report = await healAfterOutage(10_000);
      expect(report.open).toBe(0);
      expect(report.completed).toBeGreaterThan(0);
      expect(HONEST_CODES).toEqual(expect.arrayContaining([...report.codes]));
    }, 60_000);

    test("another address under load: links come back, every call has an end", async () => {
      const report = await healAfterNewAddress();
      expect(report.open).toBe(0);
      expect(report.completed).toBeGreaterThan(0);
    }, 60_000);
  },
);
