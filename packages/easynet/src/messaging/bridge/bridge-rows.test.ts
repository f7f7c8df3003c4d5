import { describe, expect, test } from "vitest";
import { createId } from "../../kernel/index.ts";
import { MemoryStore } from "../../storage/index.ts";
import { BridgeOutbox, WAITING_COUNT_MAX } from "./bridge-outbox.ts";
import { TAKEN_COUNT_MAX, TakenIds } from "./taken-ids.ts";

const message = (payload: unknown, id = createId(1)): Parameters<BridgeOutbox["add"]>[0] => ({
  id,
  kind: "deployed",
  topic: "deploys",
  payload,
  from: undefined,
});

describe("messages that wait for NATS", () => {
  test("are on disk in their order, once each, until they are removed; also for the next process", async () => {
    const store = new MemoryStore();
    const outbox = new BridgeOutbox(store);
    const twice = message("twice");
    await Promise.all([outbox.add(twice), outbox.add(twice), outbox.add(message("second"))]);
    expect(outbox.first(10).map(({ message: { payload } }) => payload)).toEqual(["twice", "second"]);
    await outbox.remove(outbox.first(1));
    const next = new BridgeOutbox(store);
    await next.add(message("third"));
    expect(next.size).toBe(2);
    expect(next.first(10).map(({ message: { payload } }) => payload)).toEqual(["second", "third"]);
  });

  test("are bounded: one more is refused and stays with its sender, and none of those before is lost", async () => {
    const outbox = new BridgeOutbox(new MemoryStore());
    for (let count = 0; count < WAITING_COUNT_MAX; count++) void outbox.add(message(count));
    await expect(outbox.add(message("more"))).rejects.toMatchObject({ code: "OVERLOADED", retryable: true });
    expect(outbox.size).toBe(WAITING_COUNT_MAX);
  });

  test("are not taken for waiting when the disk is full, and may come again", async () => {
    const store = new MemoryStore();
    const outbox = new BridgeOutbox(store);
    const refused = message("refused");
    store.fault = "full";
    await expect(outbox.add(refused)).rejects.toMatchObject({ code: "STORAGE_FULL" });
    expect(outbox.size).toBe(0);
    store.fault = "none";
    await outbox.add(refused);
    expect(outbox.first(10).map(({ message: { payload } }) => payload)).toEqual(["refused"]);
  });
});

test("ids of what came from NATS are remembered over a restart, the oldest forgotten first", async () => {
  const store = new MemoryStore();
  const ids = new TakenIds(store);
  for (let count = 0; count <= TAKEN_COUNT_MAX; count++) await ids.add(`id ${count}`);
  for (const each of [ids, new TakenIds(store)]) {
    expect(["id 0", "id 1", `id ${TAKEN_COUNT_MAX}`].map((id) => each.has(id))).toEqual([false, true, true]);
  }
  await new TakenIds(store).add("later");
  expect(new TakenIds(store).has("id 1")).toBe(false);
  expect(new TakenIds(store).has("id 2")).toBe(true);
});
