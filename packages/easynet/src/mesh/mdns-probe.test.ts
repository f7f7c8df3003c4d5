import { EventEmitter } from "node:events";
import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { VirtualClock } from "../testing/index.ts";
import { probeMulticast } from "./mdns-probe.ts";

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

test("a question that does not come back was not sent", async () => {
  expect((await probeWith([])).chosen).toMatchObject([{ sent: false, heardCount: 0 }]);
});
