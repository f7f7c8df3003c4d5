import { expect, test } from "vitest";
import { noMetrics, seededRandom, silentLogger } from "../../kernel/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { fakeKeyPair, FakeNetwork, VirtualClock } from "../../testing/index.ts";
import { createDelivery } from "./delivery.ts";

test("a recipient to which no link is kept is dialled, as in a network of very many members", async () => {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, latencyMs: 1, autoLink: false });
  const [near, away] = [fakeKeyPair(1), fakeKeyPair(2)];
  const [one, other] = [near.did, away.did];
  const ports = { clock, random: seededRandom(1), logger: silentLogger, metrics: noMetrics, epoch: 1 };
  const mesh = network.join(one);
  mesh.isOnDemand = (did) => did === other && mesh.peer(did) === undefined;
  const sender = createDelivery({ ...ports, keyPair: near, mesh, store: new MemoryStore() });
  const far = network.join(other);
  const recipient = createDelivery({ ...ports, keyPair: away, mesh: far, store: new MemoryStore() });
  const seen: string[] = [];
  recipient.handle(({ payload }) => void seen.push(Buffer.from(payload).toString()));
  await mesh.start();
  await far.start();
  sender.send(other, { kind: "note", payload: Buffer.from("far") });
  await clock.advanceAsync(100);
  expect(seen).toEqual(["far"]);
  await Promise.all([sender.close(), recipient.close()]);
});
