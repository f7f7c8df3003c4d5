import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { fabricContract } from "../../packages/easynet/src/testing/contracts/fabric.ts";
import { quicMissing } from "../support/quic.ts";
import { openFabric, transportHarness } from "../support/transport-harness.ts";
import { verifies } from "../requirements.ts";

const ADDRESSES = {
  listen: "/ip4/127.0.0.1/udp/0/quic-v1",
  dead: "/ip4/127.0.0.1/udp/1/quic-v1",
  ending: "/quic-v1",
};

describe.skipIf(quicMissing !== undefined)(`fabric contract over QUIC${quicMissing ? ` (${quicMissing})` : ""}`, () => {
  verifies("mesh:transport:links");

  const harness = transportHarness(ADDRESSES);
  test.for(fabricContract)("$name", async (each) => {
    await expect(each.run(harness)).resolves.toBeUndefined();
  });
});

describe.skipIf(quicMissing === undefined)(`QUIC without its package${quicMissing ? "" : " (it is installed)"}`, () => {
  verifies("mesh:transport:links");
  const missing = {
    code: "PACKAGE_MISSING",
    message: expect.stringMatching(/npm install @chainsafe\/libp2p-quic@\d/),
  };

  test("a node that is to listen on it says what to install, and has let go of its other ports", async () => {
    const fabric = await openFabric(generateKeyPair(), ["127.0.0.1:0", ADDRESSES.listen]);
    await expect(fabric.start()).rejects.toMatchObject(missing);
    expect(fabric.addresses()).toEqual([]);
  });

  test("a dial to it says what to install, and TCP goes on", async () => {
    const [one, other] = [
      await openFabric(generateKeyPair(), []),
      await openFabric(generateKeyPair(), ["127.0.0.1:0"]),
    ];
    await Promise.all([one.start(), other.start()]);
    other.onConnection(() => undefined);
    await expect(one.dial(ADDRESSES.dead)).rejects.toMatchObject(missing);
    expect((await one.dial(other.addresses()[0] ?? "")).remote).toBe(other.self);
    await Promise.all([one.stop(), other.stop()]);
  });
});
