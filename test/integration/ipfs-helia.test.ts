import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import { HeliaNode, heliaMissing } from "../support/helia.ts";
import { TestNetwork } from "../support/network.ts";
import { verifies } from "../requirements.ts";

const MIB = 1024 * 1024;

async function contentOf({ node }: ServedNode, cid: string): Promise<Buffer> {
  await node.artifacts.fetch(cid);
  const parts: Uint8Array[] = [];
  for await (const part of node.artifacts.open(cid)) parts.push(part);
  return Buffer.concat(parts);
}

describe.skipIf(heliaMissing !== undefined)(
  `Helia${heliaMissing ? ` (${heliaMissing})` : ""}`,
  { timeout: 20_000 },
  () => {
    verifies("messaging:bulk:ipfs");
    let helia: HeliaNode;
    let network: TestNetwork;
    let amber: ServedNode;
    let address: string;

    beforeAll(async () => {
      helia = await HeliaNode.start();
      network = new TestNetwork();
      amber = await network.start("amber", { ipfs: true, ipfsPeers: [helia.address] });
      address = amber.node.status().addresses[0] ?? "";
    }, 60_000);

    afterAll(async () => {
      await network[Symbol.asyncDispose]();
      await helia[Symbol.asyncDispose]();
    });

    test.for([0, 100, 3 * MIB, 50 * MIB])("gets %i bytes from here by their address", async (size) => {
      const content = randomBytes(size);
      const { cid } = await amber.node.artifacts.put([content], { public: true });
      expect((await helia.get(cid, address)).equals(content)).toBe(true);
    });

    test("does not get what is not public", async () => {
      const [secret, open] = [randomBytes(100), randomBytes(100)];
      const { cid } = await amber.node.artifacts.put([secret]);
      await expect(helia.get(cid, address)).rejects.toThrow(/Error/);
      const { cid: other } = await amber.node.artifacts.put([open], { public: true });
      expect(await helia.get(other, address)).toEqual(open);
    });

    test("has a file of another layout, which is refused", async () => {
      const cid = await helia.add(randomBytes(3 * MIB), true);
      await expect(amber.node.artifacts.fetch(cid)).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
      expect(amber.node.artifacts.get(cid)).toBeUndefined();
    });

    test.for([100, 3 * MIB, 50 * MIB])("has %i bytes that are fetched when no member has them", async (size) => {
      const content = randomBytes(size);
      const cid = await helia.add(content);
      expect((await contentOf(amber, cid)).equals(content)).toBe(true);
      // Who asked for it did not make it public.
      expect(amber.node.artifacts.get(cid)).toMatchObject({ complete: true });
      expect(amber.node.artifacts.get(cid)).not.toHaveProperty("public");
    });
  },
);
