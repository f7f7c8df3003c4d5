import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { callOn, share, TestNetwork, until } from "../support/network.ts";
import { quicMissing } from "../support/quic.ts";
import { verifies } from "../requirements.ts";

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof bound === "object" && bound ? bound.port : 0;
}

const TRANSPORTS = [
  { name: "WebSocket", listen: (port: number) => `/ip4/127.0.0.1/tcp/${port}/ws`, missing: undefined },
  { name: "QUIC", listen: (port: number) => `/ip4/127.0.0.1/udp/${port}/quic-v1`, missing: quicMissing },
];

describe.for(TRANSPORTS)("nodes over $name", ({ listen, missing }) => {
  verifies("mesh:transport:links");

  test.skipIf(missing !== undefined)(
    `are linked as members and call each other${missing ? ` (${missing})` : ""}`,
    async () => {
      await using network = new TestNetwork();
      // A port that was free a moment ago: what is announced takes the place of the TCP address on loopback.
      const address = listen(await freePort());
      const amber = await network.start("amber", { alsoListen: [address], announce: [address] });
      await share(amber, { double: (value: number) => value * 2 });
      const cobalt = await network.start("cobalt", { bootstrap: amber.node.status().addresses });
      await until("they are linked", () => cobalt.node.peers().length === 1 && amber.node.peers().length === 1);
      expect(cobalt.node.peers()[0]?.address).toContain(address);
      const { end } = await callOn(cobalt, "double", { args: [21] });
      expect(end).toMatchObject({ type: "final", value: 42 });
    },
  );
});
