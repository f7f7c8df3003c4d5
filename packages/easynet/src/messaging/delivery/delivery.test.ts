import { describe, expect, test } from "vitest";
import { isEasynetError, noMetrics, seededRandom, silentLogger } from "../../kernel/index.ts";
import type { Did } from "../../identity/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { type MeshNode, MeshWorld } from "../../testing/mesh-world.ts";
import { createDelivery } from "./delivery.ts";
import type { DeliveryLimits } from "./limits.ts";
import type { Delivery, MessageHandler, OutgoingMessage } from "./types.ts";
import { verifies } from "../../../../../test/requirements.ts";

verifies("messaging:reliable:delivery", "messaging:reliable:error");

interface Station {
  readonly node: MeshNode;
  readonly store: MemoryStore;
  readonly delivery: Delivery;
  readonly did: Did;
}

function newWorld(): MeshWorld {
  return new MeshWorld({ latencyMs: { min: 1, max: 5 } });
}

/** Asserts that no timer and no connection is left. */
async function stop(world: MeshWorld, ...stations: readonly Station[]): Promise<void> {
  await world.settle(Promise.all(stations.map(async ({ delivery }) => delivery.close())));
  await world.stop();
}

async function station(
  world: MeshWorld,
  name: string,
  from: { readonly station?: Station; readonly epoch?: number; readonly limits?: Partial<DeliveryLimits> } = {},
): Promise<Station> {
  const store = from.station ? from.station.store.reopen() : new MemoryStore();
  const changes = from.station ? { keyPair: from.station.node.keyPair, port: from.station.node.port } : {};
  const node = await world.node(name, changes);
  const delivery = createDelivery({
    mesh: node.mesh,
    keyPair: node.keyPair,
    store,
    clock: world.clock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: noMetrics,
    epoch: from.epoch ?? 1,
    ...(from.limits && { limits: from.limits }),
  });
  return { node, store, delivery, did: node.did };
}

function textOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString();
}

function note(text: string, changes: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { kind: "note", payload: Buffer.from(text), ...changes };
}

function collector(): { readonly seen: string[]; readonly handler: MessageHandler } {
  const seen: string[] = [];
  return { seen, handler: (message) => void seen.push(textOf(message.payload)) };
}

async function linked(world: MeshWorld, one: Station, other: Station): Promise<void> {
  await world.settle(one.node.mesh.connect(world.addressOf(other.node)));
  await world.clock.advanceAsync(100);
}

function range(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index));
}

describe("delivery", () => {
  test.each(["volatile", "process", "disk"] as const)("brings %s messages once and in order", async (durability) => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    await linked(world, one, other);
    const sent = range(500).map((text) => one.delivery.send(other.did, note(text, { durability })));
    await world.settle(Promise.all(sent.flatMap((message) => [message.stored, message.acknowledged])));
    expect(seen).toEqual(range(500));
    expect(one.delivery.outbox()).toEqual([]);
    await world.clock.advanceAsync(5000);
    expect(one.store.list("message-outbox")).toEqual([]);
    expect(other.store.list("message-inbox")).toEqual([]);
    expect(other.delivery.counts()).toMatchObject({ received: 500, handled: 500, duplicates: 0, dead: 0 });
    await stop(world, one, other);
  });

  test("carries every field of a message", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const seen: object[] = [];
    other.delivery.handle((message) => {
      const { sender, priority, kind, id, attempt, durability, correlationId, trace, cause, session, from, to } =
        message;
      const lifeMs = message.expiresAtMs - message.sentAtMs;
      const basics = { sender, priority, kind, id, attempt, durability, lifeMs, epoch: message.epoch };
      seen.push({ ...basics, correlationId, trace, cause, session, from, to, sequence: message.sequence });
    });
    await linked(world, one, other);
    const id = "01890a5d-ac96-774b-bcce-b302099a8057";
    const texts = { trace: "00-a-b-01", cause: "c", session: "s", from: "did:key:a", to: "did:key:b" };
    one.delivery.send(
      other.did,
      note("x", { ...texts, id, correlationId: id, priority: "critical", expiresInMs: 5000 }),
    );
    await world.clock.advanceAsync(100);
    const identity = { sender: one.did, epoch: 1, sequence: 1, attempt: 1 };
    const rest = { kind: "note", priority: "critical", durability: "disk", lifeMs: 5000 };
    expect(seen).toEqual([{ ...identity, ...rest, ...texts, id, correlationId: id }]);
    await stop(world, one, other);
  });

  test("keeps messages for a peer that is away, also over a restart of the sender", async () => {
    const world = newWorld();
    let one = await station(world, "one");
    const other = await station(world, "other");
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    for (const text of range(50)) one.delivery.send(other.did, note(text));
    const volatile = one.delivery.send(other.did, note("lost", { durability: "volatile", priority: "low" }));
    const last = one.delivery.send(other.did, note("50"));
    await world.settle(last.stored);
    await world.settle(volatile.stored);
    await one.delivery.close();
    await world.settle(one.node.mesh.stop());
    await expect(last.acknowledged).rejects.toMatchObject({ code: "NODE_STOPPING" });
    one = await station(world, "one", { station: one, epoch: 2 });
    expect(one.delivery.outbox()).toMatchObject([{ peer: other.did, priority: "normal", queued: 51 }]);
    one.delivery.send(other.did, note("51"));
    await linked(world, one, other);
    await world.clock.advanceAsync(1000);
    expect(seen).toEqual(range(52));
    expect(one.delivery.outbox()).toEqual([]);
    await stop(world, one, other);
  });

  test("goes on after a restart of the recipient, with what it had not handled", async () => {
    const world = newWorld();
    const one = await station(world, "one");
    let other = await station(world, "other");
    const first: string[] = [];
    // Handles three and then never ends.
    other.delivery.handle(async (message) => {
      first.push(textOf(message.payload));
      await (first.length > 3 ? new Promise(() => undefined) : Promise.resolve());
    });
    await linked(world, one, other);
    const sent = range(10).map((text) => one.delivery.send(other.did, note(text)));
    await world.settle(Promise.all(sent.map((message) => message.acknowledged)));
    await world.clock.advanceAsync(100);
    expect(first).toEqual(range(4));
    await other.delivery.close();
    await world.settle(other.node.mesh.stop());
    other = await station(world, "other", { station: other, epoch: 2 });
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    await world.clock.advanceAsync(100);
    expect(seen).toEqual(range(7, 3));
    await world.clock.advanceAsync(1000);
    expect(other.store.list("message-inbox")).toEqual([]);
    await stop(world, one, other);
  });

  test("commits what a handler wrote and sent together with the message, and shows it to the next one", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    one.delivery.handle(handler);
    other.delivery.handle((message, transaction) => {
      const count = Number(textOf(transaction.get("effects", "count") ?? Buffer.from("0"))) + 1;
      transaction.put("effects", "count", Buffer.from(String(count)));
      transaction.send(message.sender, note(`answer ${textOf(message.payload)} ${count}`));
    });
    await linked(world, one, other);
    for (const text of range(100)) one.delivery.send(other.did, note(text));
    await world.clock.advanceAsync(1000);
    expect(textOf(other.store.get("effects", "count") ?? Buffer.from("none"))).toBe("100");
    expect(seen).toEqual(range(100).map((text) => `answer ${text} ${Number(text) + 1}`));
    await stop(world, one, other);
  });

  test("delivers again what a handler refused, in place, and buries it after five times", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const seen: string[] = [];
    other.delivery.handle((message, transaction) => {
      const text = textOf(message.payload);
      seen.push(`${text}.${message.attempt}`);
      transaction.put("effects", text, Buffer.from("done"));
      if (text === "bad" || (text === "slow" && message.attempt < 3)) throw new TypeError(`no ${message.attempt}`);
    });
    await linked(world, one, other);
    for (const text of ["slow", "bad", "good"]) one.delivery.send(other.did, note(text));
    await world.clock.advanceAsync(60_000);
    const tries = [1, 2, 3, 4, 5].map((attempt) => `bad.${attempt}`);
    expect(seen).toEqual(["slow.1", "slow.2", "slow.3", ...tries, "good.1"]);
    expect(other.store.get("effects", "bad")).toBeUndefined();
    expect(textOf(other.store.get("effects", "slow") ?? Buffer.from(""))).toBe("done");
    const letters = other.delivery.deadLetters.list();
    expect(letters).toMatchObject([
      { direction: "in", peer: one.did, reason: "failed", attempts: 5, firstError: "TypeError: no 1" },
    ]);
    expect(letters[0]?.lastError).toBe("TypeError: no 5");
    const { seen: later, handler } = collector();
    other.delivery.handle(handler);
    const requeued = other.delivery.deadLetters.requeue(letters[0]?.key ?? "");
    await world.settle(requeued);
    expect(later).toEqual(["bad"]);
    expect(other.delivery.deadLetters.list()).toEqual([]);
    await expect(other.delivery.deadLetters.drop(letters[0]?.key ?? "")).rejects.toMatchObject({
      code: "MESSAGE_NOT_FOUND",
    });
    await stop(world, one, other);
  });

  test("buries what expired before it left, tells who waits, and skips it", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    const short = one.delivery.send(other.did, note("short", { expiresInMs: 1000 }));
    const fate = short.acknowledged.then(
      () => "arrived",
      (error: unknown) => (isEasynetError(error) ? error.code : "unknown"),
    );
    await world.clock.advanceAsync(10);
    one.delivery.send(other.did, note("long"));
    await world.clock.advanceAsync(5000);
    expect(await fate).toBe("MESSAGE_EXPIRED");
    expect(one.delivery.deadLetters.list()).toMatchObject([{ direction: "out", peer: other.did, reason: "expired" }]);
    await linked(world, one, other);
    await world.clock.advanceAsync(1000);
    expect(seen).toEqual(["long"]);
    await world.settle(one.delivery.deadLetters.requeue(one.delivery.deadLetters.list()[0]?.key ?? ""));
    await world.clock.advanceAsync(1000);
    expect(seen).toEqual(["long", "short"]);
    expect(one.delivery.deadLetters.list()).toEqual([]);
    await stop(world, one, other);
  });

  test("refuses when the outbox is full, and tells when there is room", async () => {
    const world = newWorld();
    const limits = { outboxCountMax: 10 };
    const [one, other] = [await station(world, "one", { limits }), await station(world, "other")];
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    for (const text of range(10)) one.delivery.send(other.did, note(text));
    const refused = (): unknown => one.delivery.send(other.did, note("no"));
    expect(refused).toThrow(expect.objectContaining({ code: "BACKPRESSURE" }));
    const room = one.delivery.drained(other.did);
    const given = one.delivery.drained(other.did, { signal: AbortSignal.abort() });
    await expect(given).rejects.toMatchObject({ code: "CANCELLED" });
    await linked(world, one, other);
    await world.settle(room);
    one.delivery.send(other.did, note("10"));
    await world.clock.advanceAsync(100);
    expect(seen).toEqual(range(11));
    await stop(world, one, other);
  });

  test("with a full disk takes nothing more, loses nothing, and goes on when there is room", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    await linked(world, one, other);
    one.store.fault = "full";
    other.store.fault = "full";
    const sent = one.delivery.send(other.did, note("0"));
    let acknowledged = false;
    void sent.acknowledged.then(() => (acknowledged = true));
    await world.clock.advanceAsync(3000);
    expect(acknowledged).toBe(false);
    const refused = (): unknown => one.delivery.send(other.did, note("no"));
    expect(refused).toThrow(expect.objectContaining({ code: "STORAGE_FULL" }));
    one.store.fault = "none";
    other.store.fault = "none";
    await world.settle(sent.stored);
    await world.settle(sent.acknowledged);
    await world.clock.advanceAsync(1000);
    one.delivery.send(other.did, note("1"));
    await world.clock.advanceAsync(100);
    expect(seen).toEqual(["0", "1"]);
    await stop(world, one, other);
  });

  test("refuses messages to itself, and everything after it was closed", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const codeOf = (run: () => unknown): string => {
      try {
        run();
      } catch (error) {
        return isEasynetError(error) ? error.code : String(error);
      }
      return "none";
    };
    expect(codeOf(() => one.delivery.send(one.did, note("x")))).toBe("INVALID_ARGUMENT");
    await one.delivery.close();
    expect(codeOf(() => one.delivery.send(other.did, note("x")))).toBe("NODE_STOPPING");
    await stop(world, one, other);
  });

  test("forgets a peer: what waited for it is gone, and new messages still arrive", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    await linked(world, one, other);
    one.delivery.send(other.did, note("before"));
    await world.clock.advanceAsync(100);
    world.network.partition([one.did], [other.did]);
    const lost = one.delivery.send(other.did, note("lost"));
    await world.settle(lost.stored);
    world.network.dropConnection(one.did, other.did);
    await world.settle(one.delivery.forget(other.did));
    expect(one.delivery.outbox()).toEqual([]);
    await expect(lost.acknowledged).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    world.network.heal();
    one.delivery.send(other.did, note("after"));
    await world.clock.advanceAsync(10_000);
    expect(seen.at(-1)).toBe("after");
    await stop(world, one, other);
  });

  test("keeps the order within a lane only: a handler that takes long holds up nothing on the others", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    const gate = Promise.withResolvers<void>();
    other.delivery.handle(async (message, transaction) => {
      if (message.priority === "low") await gate.promise;
      await handler(message, transaction);
    });
    await linked(world, one, other);
    for (const text of ["l1", "l2"]) one.delivery.send(other.did, note(text, { priority: "low" }));
    for (const priority of ["critical", "high", "normal"] as const) {
      one.delivery.send(other.did, note(priority, { priority }));
    }
    await world.clock.advanceAsync(500);
    expect(seen.toSorted()).toEqual(["critical", "high", "normal"]);
    gate.resolve();
    await world.clock.advanceAsync(500);
    expect(seen.slice(3)).toEqual(["l1", "l2"]);
    await stop(world, one, other);
  });

  test("gives up a handler that hangs, and does not commit what it does later", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const late: unknown[] = [];
    const gate = Promise.withResolvers<void>();
    other.delivery.handle(async (message, transaction) => {
      if (message.attempt > 1) return;
      await gate.promise;
      try {
        transaction.put("effects", "late", new Uint8Array(1));
      } catch (error) {
        late.push(isEasynetError(error) ? error.code : error);
      }
    });
    await linked(world, one, other);
    one.delivery.send(other.did, note("x", { expiresInMs: 3_600_000 }));
    await world.clock.advanceAsync(301_000);
    gate.resolve();
    await world.clock.advanceAsync(1000);
    expect(late).toEqual(["INVALID_ARGUMENT"]);
    expect(other.delivery.counts()).toMatchObject({ handled: 1, dead: 0 });
    expect(other.store.get("effects", "late")).toBeUndefined();
    await stop(world, one, other);
  });

  test("of one handler what cannot be stored fails there, and harms no other", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    other.delivery.handle((message, transaction) => {
      const text = textOf(message.payload);
      transaction.put("effects", text === "bad" ? "" : text, new Uint8Array(1));
    });
    await linked(world, one, other);
    for (const text of ["a", "bad", "b"]) one.delivery.send(other.did, note(text));
    await world.clock.advanceAsync(30_000);
    expect(other.store.list("effects").map(({ key }) => key)).toEqual(["a", "b"]);
    expect(other.delivery.deadLetters.list()).toMatchObject([{ reason: "failed" }]);
    await stop(world, one, other);
  });

  test("drops what a hostile peer sends, and goes on with what it sends rightly", async () => {
    const world = newWorld();
    const [one, other] = [await station(world, "one"), await station(world, "other")];
    const { seen, handler } = collector();
    other.delivery.handle(handler);
    await linked(world, one, other);
    const noise = seededRandom(7);
    for (let count = 0; count < 500; count++) {
      const body = Uint8Array.from({ length: Math.floor(noise.next() * 200) }, () => Math.floor(noise.next() * 256));
      for (const type of [112, 113, 114, 115]) one.node.mesh.send(other.did, { lane: "normal", type, body });
    }
    one.delivery.send(other.did, note("fine"));
    await world.clock.advanceAsync(1000);
    expect(seen).toEqual(["fine"]);
    expect(other.delivery.counts()).toMatchObject({ received: 1, handled: 1 });
    expect(other.delivery.outbox()).toEqual([]);
    await stop(world, one, other);
  });
});
