import { describe, expect, test } from "vitest";
import { EasynetError } from "../../kernel/index.ts";
import { MessagesWorld } from "../../testing/messages-fixture.ts";
import { fakeDid } from "../../testing/index.ts";
import { MESSAGE_BYTES_MAX, STORED_ANSWER_BYTES_MAX } from "./limits.ts";
import type { Message } from "./types.ts";

const KIB = 1024;
const large = (seed = 0): Uint8Array => new Uint8Array(300 * KIB).fill(seed);
const sizeOf = (payload: unknown): number => (payload instanceof Uint8Array ? payload.length : -1);

async function pair(world: MessagesWorld) {
  const [one, two] = [await world.start(1), await world.start(2)];
  for (const { kinds } of [one, two]) for (const name of ["file", "question"]) kinds.define({ name });
  const got: Message[] = [];
  two.messages.handle("file", (message) => void got.push(message));
  return { one, two, got };
}

/** Lets everything run that does not wait for a timer. */
const settle = (world: MessagesWorld): Promise<unknown> => world.clock.advanceAsync(0);

describe("a message that is too large to travel in one piece", () => {
  test("arrives whole, while only its address is in the letter", async () => {
    const world = new MessagesWorld();
    const { one, two, got } = await pair(world);
    two.crash();
    await one.messages.send(two.did, { kind: "file", payload: large(7) }).stored;
    expect(world.artifacts.list()).toMatchObject([{ complete: true }]);
    const again = await world.start(2, {
      setUp: ({ messages, kinds }) => {
        kinds.define({ name: "file" });
        messages.handle("file", (message) => void got.push(message));
      },
    });
    await settle(world);
    expect(got.map(({ payload }) => payload)).toEqual([large(7)]);
    expect(got[0]).toMatchObject({ sender: one.did, attempt: 1, wantsAnswer: false });
    expect(again.delivery.dead).toEqual([]);
  });

  test("holds its place among those of its priority, and nobody of another", async () => {
    const world = new MessagesWorld();
    const { one, two, got } = await pair(world);
    const gate = Promise.withResolvers<void>();
    world.artifacts.gate = gate.promise;
    one.messages.send(two.did, { kind: "file", payload: large(1) });
    one.messages.send(two.did, { kind: "file", payload: "after" });
    one.messages.send(two.did, { kind: "file", payload: "urgent", priority: "critical" });
    await settle(world);
    expect(got.map(({ payload }) => payload)).toEqual(["urgent"]);
    gate.resolve();
    await settle(world);
    expect(got.map(({ payload }) => (sizeOf(payload) > 0 ? "large" : payload))).toEqual(["urgent", "large", "after"]);
  });

  test("is an answer as well as a request, and what else comes does not wait for its body", async () => {
    const world = new MessagesWorld();
    const { one, two, got } = await pair(world);
    two.messages.handle("question", ({ payload }) => new Uint8Array(sizeOf(payload) + 1));
    for (const durability of ["volatile", "process", "disk"] as const) {
      const asked = one.messages.request(two.did, { kind: "question", payload: large(), durability });
      expect(sizeOf(await asked.answer)).toBe(300 * KIB + 1);
    }
    const small = one.messages.request(two.did, { kind: "question", payload: 1 });
    expect(sizeOf(await small.answer)).toBe(0);
    one.messages.handle("file", (message) => void got.push(message));
    const gate = Promise.withResolvers<void>();
    const pending = one.messages.request(two.did, { kind: "question", payload: large(), durability: "disk" });
    await settle(world);
    expect(sizeOf(await pending.answer)).toBe(300 * KIB + 1);
    world.artifacts.gate = gate.promise;
    two.messages.handle("echo", () => large(3));
    one.kinds.define({ name: "echo" });
    const held = one.messages.request(two.did, { kind: "echo", payload: 1, durability: "disk" });
    await settle(world);
    two.messages.send(one.did, { kind: "file", payload: "overtakes", priority: "high" });
    await settle(world);
    expect(got.map(({ payload }) => payload)).toEqual(["overtakes"]);
    gate.resolve();
    expect(sizeOf(await held.answer)).toBe(300 * KIB);
  });

  test("is one artifact for all receivers of a topic", async () => {
    const world = new MessagesWorld();
    const { one, two, got } = await pair(world);
    world.topics.set("files", [one.did, two.did]);
    one.messages.receive((message) => void got.push(message));
    two.messages.receive((message) => void got.push(message));
    await one.messages.publish("files", { kind: "file", payload: large() });
    await settle(world);
    expect(got.map(({ payload }) => sizeOf(payload))).toEqual([300 * KIB, 300 * KIB]);
    expect(world.artifacts.list()).toHaveLength(1);
  });

  test("waits once for all its receivers, and several together have a bound", async () => {
    const world = new MessagesWorld();
    const { one } = await pair(world);
    const members = Array.from({ length: 300 }, (_, index) => fakeDid(100 + index));
    world.topics.set("files", members);
    const mebibyte = new Uint8Array(1024 * KIB);
    const report = await one.messages.publish("files", { kind: "file", payload: mebibyte });
    expect(report).toMatchObject({ failed: [], reached: { length: members.length } });
    world.artifacts.refusal = new EasynetError("ARTIFACTS_FULL", { usedBytes: 1 });
    const sendAll = (): void => {
      for (let count = 0; count < 300; count++) one.messages.send(fakeDid(100), { kind: "file", payload: mebibyte });
    };
    expect(sendAll).toThrow(expect.objectContaining({ code: "BACKPRESSURE", retryable: true }));
    await settle(world);
    one.messages.send(fakeDid(100), { kind: "file", payload: mebibyte });
  }, 30_000);

  test("that finds no room says so, and those behind it leave", async () => {
    const world = new MessagesWorld();
    const { one, two, got } = await pair(world);
    world.artifacts.refusal = new EasynetError("ARTIFACTS_FULL", { usedBytes: 1 });
    const sent = one.messages.send(two.did, { kind: "file", payload: large() });
    const asked = one.messages.request(two.did, { kind: "question", payload: large(), durability: "disk" });
    one.messages.send(two.did, { kind: "file", payload: "behind" });
    await expect(sent.stored).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
    await expect(sent.acknowledged).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
    await expect(asked.answer).rejects.toMatchObject({ code: "ARTIFACTS_FULL" });
    await settle(world);
    expect(got.map(({ payload }) => payload)).toEqual(["behind"]);
  });

  test("beyond the limit is refused at once, and an answer beyond it reaches its asker as an error", async () => {
    const world = new MessagesWorld();
    const { one, two } = await pair(world);
    const tooLarge = new Uint8Array(MESSAGE_BYTES_MAX + 1);
    expect(() => one.messages.send(two.did, { kind: "file", payload: tooLarge })).toThrow(
      expect.objectContaining({ code: "MESSAGE_TOO_LARGE" }),
    );
    two.messages.handle("question", async () => new Uint8Array(STORED_ANSWER_BYTES_MAX));
    const asked = one.messages.request(two.did, { kind: "question", payload: 1, durability: "disk" });
    await expect(asked.answer).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
  });

  test("is asked for as long as it lives, and a dead letter when its body cannot be had", async () => {
    const world = new MessagesWorld();
    const { one, two, got } = await pair(world);
    const away = new EasynetError("ARTIFACT_UNREACHABLE", { cid: "b" });
    const tries = { count: 0 };
    const fetch = world.artifacts.fetch.bind(world.artifacts);
    world.artifacts.fetch = (cid) => {
      tries.count += 1;
      return tries.count < 4 ? Promise.reject(away) : fetch(cid);
    };
    one.messages.send(two.did, { kind: "file", payload: large() });
    await world.clock.advanceAsync(3_000);
    expect(got).toHaveLength(1);
    world.artifacts.fetch = () => Promise.reject(away);
    one.messages.send(two.did, { kind: "file", payload: large(), expiresInMs: 5_000 });
    await world.clock.advanceAsync(60_000);
    expect(got).toHaveLength(1);
    expect(two.delivery.dead).toMatchObject([{ kind: "file" }]);
  });
});
