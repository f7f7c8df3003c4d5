import { describe, expect, test } from "vitest";
import { verifies } from "../../../../../test/requirements.ts";
import { EasynetError } from "../../kernel/index.ts";
import { MessagesWorld } from "../../testing/messages-fixture.ts";
import { fakeDid } from "../../testing/index.ts";
import { encodeBody } from "./body-codec.ts";
import { REQUESTS_OPEN_MAX, REQUESTS_WAITING_MAX } from "./limits.ts";

const QUERY = { query: "how many" };

/** How a promise ended, so that nothing is unhandled while the clock moves. */
async function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

describe("a request", () => {
  test("gets what the handler returns, at once or later", async () => {
    verifies("messaging:shape:reach");
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("query", () => 42);
    two.messages.handle("command", async ({ wantsAnswer }) => ({ wantsAnswer }));
    expect(await one.messages.request(two.did, { kind: "query", payload: QUERY }).answer).toBe(42);
    expect(await one.messages.request(two.did, { kind: "command", payload: { command: "x" } }).answer).toEqual({
      wantsAnswer: true,
    });
    expect(
      await one.messages.request(one.did, { kind: "query", payload: QUERY }).answer.catch(({ code }) => code),
    ).toBe("MESSAGE_UNKNOWN");
    expect(two.store.list("message-requests")).toEqual([]);
  });

  test("gets the typed error of the handler", async () => {
    verifies("messaging:reliable:error");
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("query", async () => {
      throw new EasynetError("BUDGET_EXCEEDED", { limit: 3, unit: "calls" });
    });
    const error = await outcomeOf(one.messages.request(two.did, { kind: "query", payload: QUERY }).answer);
    expect(error).toMatchObject({ code: "BUDGET_EXCEEDED", details: { limit: 3, peerId: two.did } });
  });

  test("of a kind that nobody handles there says so", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    expect(await outcomeOf(one.messages.request(two.did, { kind: "query", payload: QUERY }).answer)).toMatchObject({
      code: "MESSAGE_UNKNOWN",
    });
  });

  test("is answered in the kind that its kind names, and in no other way", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    const answers: unknown[] = [{ resource: "gpu", granted: true }, { granted: "perhaps" }];
    two.messages.handle("resource-request", () => answers.shift());
    const ask = (): Promise<unknown> =>
      outcomeOf(
        one.messages.request(two.did, { kind: "resource-request", payload: { resource: "gpu", amount: 1 } }).answer,
      );
    expect(await ask()).toEqual({ resource: "gpu", granted: true });
    expect(await ask()).toMatchObject({ code: "PAYLOAD_INVALID", details: { kind: "resource-response" } });
  });

  test("ends at its deadline", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("query", () => new Promise(() => undefined));
    const outcome = outcomeOf(one.messages.request(two.did, { kind: "query", payload: QUERY, timeoutMs: 500 }).answer);
    await world.clock.advanceAsync(499);
    expect(await Promise.race([outcome, Promise.resolve("waits")])).toBe("waits");
    await world.clock.advanceAsync(1);
    expect(await outcome).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("can be given up", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("query", () => new Promise(() => undefined));
    const controller = new AbortController();
    const outcome = outcomeOf(
      one.messages.request(two.did, { kind: "query", payload: QUERY, signal: controller.signal }).answer,
    );
    controller.abort();
    expect(await outcome).toMatchObject({ code: "CANCELLED" });
  });

  test("does not wait for another one of the same sender, and a handler may ask back", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    const asked: unknown[] = [];
    two.messages.handle("query", async ({ payload, sender }) => {
      asked.push(payload);
      return asked.length === 3 ? "deep" : two.messages.request(sender, { kind: "query", payload: QUERY }).answer;
    });
    one.messages.handle(
      "query",
      async ({ sender }) => one.messages.request(sender, { kind: "query", payload: QUERY }).answer,
    );
    expect(await one.messages.request(two.did, { kind: "query", payload: QUERY }).answer).toBe("deep");
  });

  test("beyond what a node works on at once is refused", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("query", () => new Promise(() => undefined));
    for (let count = 0; count < REQUESTS_OPEN_MAX; count++)
      one.messages.request(two.did, { kind: "query", payload: QUERY });
    const error = await outcomeOf(one.messages.request(two.did, { kind: "query", payload: QUERY }).answer);
    expect(error).toMatchObject({ code: "OVERLOADED" });
  });

  test("is answered by the node that was asked, and once", async () => {
    const world = new MessagesWorld();
    const [one, two, three] = [await world.start(1), await world.start(2), await world.start(3)];
    const release = Promise.withResolvers<string>();
    two.messages.handle("query", () => release.promise);
    const request = one.messages.request(two.did, { kind: "query", payload: QUERY });
    const forged = {
      kind: "response",
      payload: encodeBody({ form: "answer", value: "forged" }),
      priority: "high",
    } as const;
    three.delivery.send(one.did, { ...forged, correlationId: request.id });
    three.delivery.send(one.did, { ...forged, correlationId: "nobody asked" });
    await world.clock.advanceAsync(0);
    expect(one.events.filter(({ reason }) => reason === "unexpected-answer")).toHaveLength(2);
    release.resolve("true one");
    expect(await request.answer).toBe("true one");
  });
});

describe("a durable request", () => {
  test("is worked on again when the one who was asked died over it", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("command", () => new Promise(() => undefined));
    const { answer } = one.messages.request(two.did, { kind: "command", payload: { command: "build" } });
    await world.clock.advanceAsync(0);
    two.crash();
    const again = await world.start(2, {
      setUp: (node) => node.messages.handle("command", async ({ attempt }) => `done at attempt ${attempt}`),
    });
    expect(await answer).toBe("done at attempt 2");
    await world.clock.advanceAsync(0);
    expect(again.store.list("message-requests")).toEqual([]);
  });

  test("is answered to the asker's next process, by its id", async () => {
    verifies("messaging:reliable:delivery");
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    const release = Promise.withResolvers<string>();
    two.messages.handle("command", () => release.promise);
    const { id } = one.messages.request(two.did, { kind: "command", payload: { command: "build" } });
    await world.clock.advanceAsync(0);
    one.crash();
    release.resolve("built");
    await world.clock.advanceAsync(0);
    const again = await world.start(1);
    expect(await again.messages.answer(id)).toBe("built");
    expect(await outcomeOf(again.messages.answer("another"))).toMatchObject({ code: "ANSWER_UNKNOWN" });
  });

  test("sent again under its id is not done again", async () => {
    const world = new MessagesWorld();
    const [one, two, three] = [await world.start(1), await world.start(2), await world.start(3)];
    let runs = 0;
    two.messages.handle("command", () => ++runs);
    const content = { kind: "command", payload: { command: "pay" }, id: "018f3a6e-0000-7000-8000-000000000001" };
    expect(await one.messages.request(two.did, content).answer).toBe(1);
    expect(await one.messages.request(two.did, content).answer).toBe(1);
    one.crash();
    const again = await world.start(1);
    expect(await again.messages.request(two.did, content).answer).toBe(1);
    expect(() => again.messages.request(three.did, content)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
    expect(runs).toBe(1);
  });

  test("that the asker's next process finds too late is over", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("command", () => new Promise(() => undefined));
    const { id } = one.messages.request(two.did, { kind: "command", payload: { command: "build" }, timeoutMs: 1_000 });
    await world.clock.advanceAsync(0);
    one.crash();
    await world.clock.advanceAsync(2_000);
    const again = await world.start(1);
    expect(await outcomeOf(again.messages.answer(id))).toMatchObject({ code: "ANSWER_UNKNOWN" });
    expect(again.store.list("message-answers")).toEqual([]);
  });

  test("does not leave when the disk is full, and says so", async () => {
    const world = new MessagesWorld();
    const [one] = [await world.start(1), await world.start(2)];
    one.store.fault = "full";
    const error = await outcomeOf(
      one.messages.request(fakeDid(2), { kind: "command", payload: { command: "x" } }).answer,
    );
    expect(error).toMatchObject({ code: "STORAGE_FULL" });
  });

  test("finds room where an older one was answered, and none where all wait", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("command", () => 1);
    const ask = () => one.messages.request(two.did, { kind: "command", payload: { command: "x" } });
    const first = ask();
    expect(await first.answer).toBe(1);
    two.crash();
    for (let count = 0; count < REQUESTS_WAITING_MAX; count++) ask();
    expect(await outcomeOf(one.messages.answer(first.id))).toMatchObject({ code: "ANSWER_UNKNOWN" });
    expect(ask).toThrow(expect.objectContaining({ code: "OVERLOADED" }));
  });

  test("leaves nothing behind: answers go after ten minutes", async () => {
    const world = new MessagesWorld();
    const [one, two] = [await world.start(1), await world.start(2)];
    two.messages.handle("command", () => 1);
    const { answer } = one.messages.request(two.did, { kind: "command", payload: { command: "x" } });
    expect(await answer).toBe(1);
    await world.clock.advanceAsync(0);
    expect(one.store.list("message-answers")).toHaveLength(1);
    await world.clock.advanceAsync(11 * 60_000);
    expect(one.store.list("message-answers")).toEqual([]);
  });
});
