import { EventEmitter } from "node:events";
import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { fakeDid, VirtualClock } from "../testing/index.ts";
import { probeMulticast } from "./mdns-probe.ts";
import { announcement } from "./mdns-records.ts";

verifies("mesh:discovery:mdns");

/** A socket that hears what the test lets it hear. */
class ProbeSocket extends EventEmitter {
  questionCount = 0;
  query(_questions: unknown, done: (error: Error | null) => void): void {
    this.questionCount++;
    done(null);
  }
  respond(_answers: unknown, done: (error: Error | null) => void): void {
    done(null);
  }
  destroy(done: () => void): void {
    done();
  }
}

const loopback = Object.entries(networkInterfaces()).find(([, all]) => all?.some((info) => info.internal))?.[0] ?? "lo";

async function probeWith(packets: readonly string[]) {
  const clock = new VirtualClock();
  const socket = new ProbeSocket();
  const probing = probeMulticast({ interfaces: [loopback], timeoutMs: 3000, clock, open: () => socket });
  await clock.advanceAsync(0);
  socket.emit("ready");
  for (const address of packets) socket.emit("query", { questions: [] }, { address });
  await clock.advanceAsync(3000);
  return { ...(await probing), socket };
}

test("asks twice, and tells its own packets from those of others", async () => {
  const { chosen, socket } = await probeWith(["127.0.0.1", "127.0.0.9", "127.0.0.9", "192.0.2.7"]);
  expect(chosen).toMatchObject([{ interface: loopback, sent: true, heardCount: 1, problem: undefined }]);
  expect(socket.questionCount).toBe(2);
});

test("tells the nodes that answered, of every network, and takes nothing else for one", async () => {
  const clock = new VirtualClock();
  const socket = new ProbeSocket();
  const probing = probeMulticast({ interfaces: [loopback], timeoutMs: 3000, clock, open: () => socket });
  await clock.advanceAsync(0);
  const says = (answers: unknown, address: string): unknown => socket.emit("response", { answers }, { address });
  const one = { networkTag: "a".repeat(16), did: fakeDid(1), name: "one", port: 7441 };
  const other = { networkTag: "b".repeat(16), did: fakeDid(2), name: "other", port: 7441 };
  says(announcement(one, "127.0.0.2"), "127.0.0.2");
  says(announcement(one, "127.0.0.2"), "127.0.0.2");
  says(announcement(other, "127.0.0.3"), "127.0.0.3");
  says(announcement({ ...other, did: fakeDid(3) }, "127.0.0.4", true), "127.0.0.4");
  says(announcement({ ...other, did: fakeDid(4) }, "10.1.2.3"), "10.1.2.3");
  says([{ type: "TXT", name: "x._easynet._tcp.local", data: ["v=1", "did=nobody"] }], "127.0.0.5");
  socket.emit("response", {}, { address: "127.0.0.6" });
  await clock.advanceAsync(3000);
  const { nodes } = (await probing).chosen[0] ?? { nodes: [] };
  expect(nodes.map(({ name, networkTag }) => [name, networkTag])).toEqual([
    ["one", one.networkTag],
    ["other", other.networkTag],
  ]);
  expect(nodes[0]?.addresses[0]).toContain("/ip4/127.0.0.2/tcp/7441/p2p/");
});

test("a question that does not come back was not sent", async () => {
  expect((await probeWith([])).chosen).toMatchObject([{ sent: false, heardCount: 0 }]);
});
