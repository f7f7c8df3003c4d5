import { expect, test } from "vitest";
import type { Did } from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, seededRandom, silentLogger } from "../../packages/easynet/src/kernel/index.ts";
import { createGossip } from "../../packages/easynet/src/mesh/index.ts";
import {
  createDelivery,
  createMessages,
  KindRegistry,
  type Messages,
} from "../../packages/easynet/src/messaging/index.ts";
import { FakeArtifacts } from "../../packages/easynet/src/testing/fake-artifacts.ts";
import { MemoryStore } from "../../packages/easynet/src/storage/index.ts";
import { fakeKeyPair, FakeNetwork, VirtualClock } from "../../packages/easynet/src/testing/index.ts";
import { verifies } from "../requirements.ts";

verifies("messaging:shape:reach");

const MEMBERS = 50;
const MESSAGES = 100;
const PAYLOAD = "x".repeat(256);
const TOPIC = "ticks";

/** One publisher and the members of a topic, over the real delivery on one virtual clock. */
class TopicWorld {
  readonly clock = new VirtualClock();
  readonly #network = new FakeNetwork({ clock: this.clock, latencyMs: 1 });
  readonly #members: Did[] = [];

  async start(number: number): Promise<Messages> {
    const keyPair = fakeKeyPair(number);
    const ports = { clock: this.clock, random: seededRandom(number), logger: silentLogger, metrics: noMetrics };
    const mesh = this.#network.join(keyPair.did);
    const store = new MemoryStore();
    const delivery = createDelivery({ ...ports, keyPair, mesh, store, epoch: 1 });
    const gossip = createGossip({ ...ports, mesh });
    const membersOf = (): readonly Did[] => this.#members;
    const messages = createMessages({
      ...ports,
      keyPair,
      delivery,
      gossip,
      store,
      artifacts: new FakeArtifacts(),
      kinds: new KindRegistry(),
      membersOf,
    });
    if (number > 0) {
      this.#network.link(fakeKeyPair(0).did, keyPair.did);
      this.#members.push(keyPair.did);
    }
    await messages.start();
    return messages;
  }
}

/** Virtual ms until every member but the first had every message, and how many the first one had by then. */
async function publishAll(slowMs: number): Promise<{ readonly tookMs: number; readonly slowCount: number }> {
  const world = new TopicWorld();
  const publisher = await world.start(0);
  const counts = Array.from({ length: MEMBERS }, () => 0);
  for (let index = 0; index < MEMBERS; index++) {
    const member = await world.start(index + 1);
    member.receive(async () => {
      if (index === 0 && slowMs > 0) {
        await new Promise<void>((resolve) => {
          world.clock.setTimer(slowMs, resolve);
        });
      }
      counts[index] = (counts[index] ?? 0) + 1;
    });
  }
  await world.clock.advanceAsync(10);
  const startMs = world.clock.monotonicMs();
  const published: Promise<unknown>[] = [];
  for (let tick = 0; tick < MESSAGES; tick++) {
    published.push(publisher.publish(TOPIC, { kind: "tick", payload: PAYLOAD }));
    await world.clock.advanceAsync(1);
  }
  while (counts.slice(1).some((count) => count < MESSAGES)) await world.clock.advanceAsync(1);
  const tookMs = world.clock.monotonicMs() - startMs;
  await Promise.all(published);
  expect(counts.slice(1)).toEqual(Array.from({ length: MEMBERS - 1 }, () => MESSAGES));
  return { tookMs, slowCount: counts[0] ?? 0 };
}

test("a topic of 50 with one slow member keeps the others at speed", async () => {
  const alike = await publishAll(0);
  const withSlow = await publishAll(1_000);
  expect(alike.slowCount).toBe(MESSAGES);
  expect(withSlow.slowCount).toBeLessThan(MESSAGES / 10);
  expect(withSlow.tookMs).toBeLessThanOrEqual(alike.tookMs * 1.05);
});
