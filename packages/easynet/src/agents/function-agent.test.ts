import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { EasynetError } from "../kernel/index.ts";
import { type AgentEvent, CAPABILITY_TYPES, capabilitySchema, type TaskInput } from "../model/index.ts";
import { fakeTaskContext } from "../testing/fake-agent.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { type FunctionAgent, functionAgent } from "./function-agent.ts";
import type { TaskContext } from "./types.ts";

const clock = new VirtualClock();

function newAgent(): FunctionAgent {
  return functionAgent({ name: "functions", clock });
}

async function run(agent: FunctionAgent, capability: string, input: Partial<TaskInput> = {}): Promise<AgentEvent[]> {
  const task = { id: "1", capability, input: { args: [], kwargs: {}, ...input } };
  const events: AgentEvent[] = [];
  for await (const event of agent.execute(task, fakeTaskContext(clock))) events.push(event);
  return events;
}

async function valueOf(agent: FunctionAgent, capability: string, input: Partial<TaskInput> = {}): Promise<unknown> {
  const last = (await run(agent, capability, input)).at(-1);
  return last?.type === "final" ? last.value : last;
}

function errorIn(events: readonly AgentEvent[]): unknown {
  const last = events.at(-1);
  return last?.type === "error" ? { code: last.error.code, ...last.error.details } : last;
}

describe("calling", () => {
  test("sync, async, positional, named and mixed arguments, defaults", async () => {
    const agent = newAgent();
    agent.register("add", (a: number, b: number) => a + b);
    agent.register("later", async (a: number, b = 10) => Promise.resolve(a + b));
    expect(await valueOf(agent, "add", { args: [1, 2] })).toBe(3);
    expect(await valueOf(agent, "add", { kwargs: { b: 1, a: 5 } })).toBe(6);
    expect(await valueOf(agent, "later", { args: [1] })).toBe(11);
    expect(await valueOf(agent, "later", { args: [1], kwargs: { b: 1 } })).toBe(2);
  });

  test("rest parameters and destructuring take any positional arguments", async () => {
    const agent = newAgent();
    agent.register("sum", (...numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0));
    agent.register("pick", ({ a }: { a: number }) => a);
    agent.register("max", Math.max);
    expect(await valueOf(agent, "sum", { args: [1, 2, 3] })).toBe(6);
    expect(await valueOf(agent, "pick", { args: [{ a: 7 }] })).toBe(7);
    expect(await valueOf(agent, "max", { args: [1, 9, 3] })).toBe(9);
    expect(errorIn(await run(agent, "sum", { kwargs: { numbers: 1 } }))).toMatchObject({ code: "INPUT_INVALID" });
  });

  test("nothing runs when the arguments do not fit", async () => {
    const agent = newAgent();
    let runs = 0;
    const shared = (a: number, b: number) => {
      runs++;
      return a + b;
    };
    agent.register("add", shared);
    const bad = [
      { args: [1] },
      { args: [1, 2, 3] },
      { args: [1], kwargs: { c: 2 } },
      { args: [1, 2], kwargs: { a: 1 } },
    ];
    for (const input of bad) {
      expect(errorIn(await run(agent, "add", input))).toMatchObject({ code: "INPUT_INVALID" });
    }
    expect(runs).toBe(0);
  });

  test("bytes and large values pass as they are", async () => {
    const agent = newAgent();
    agent.register("echo", (value: Uint8Array) => value);
    const bytes = new Uint8Array(8_000_000).fill(7);
    expect(await valueOf(agent, "echo", { args: [bytes] })).toBe(bytes);
  });

  test("the context is the last argument when asked for, and no parameter", async () => {
    const agent = newAgent();
    agent.register("who", (greeting: string, context: TaskContext) => `${greeting} ${context.from}`, {
      withContext: true,
    });
    agent.register("any", (...values: unknown[]) => values.length, { withContext: true });
    expect(agent.capabilities()[0]?.parameters).toEqual(["greeting"]);
    expect(await valueOf(agent, "who", { args: ["hi"] })).toBe("hi local");
    expect(await valueOf(agent, "any", { args: [1, 2] })).toBe(3);
  });

  test("what a function throws arrives with the name of its class; EasynetErrors keep their code", async () => {
    class PaymentDeclined extends Error {}
    const agent = newAgent();
    agent.register("pay", () => {
      throw new PaymentDeclined("card expired");
    });
    agent.register("reject", async () => Promise.reject(new TypeError("late")));
    agent.register("odd", () => {
      const unreadable: unknown = new Proxy(
        {},
        {
          get() {
            throw new Error("no");
          },
        },
      );
      throw unreadable;
    });
    agent.register("typed", () => {
      throw new EasynetError("STORAGE_FULL", { path: "/data" });
    });
    const failed = { code: "FUNCTION_FAILED" };
    expect(errorIn(await run(agent, "pay"))).toEqual({
      ...failed,
      capability: "pay",
      name: "PaymentDeclined",
      reason: "card expired",
    });
    expect(errorIn(await run(agent, "reject"))).toMatchObject({ ...failed, name: "TypeError", reason: "late" });
    expect(errorIn(await run(agent, "odd"))).toMatchObject(failed);
    expect(errorIn(await run(agent, "typed"))).toMatchObject({ code: "STORAGE_FULL", path: "/data" });
  });

  test("an output against the schema is refused", async () => {
    const agent = newAgent();
    agent.register("number", (value: unknown) => value, { outputSchema: { type: "number" } });
    expect(await valueOf(agent, "number", { args: [1] })).toBe(1);
    expect(errorIn(await run(agent, "number", { args: ["x"] }))).toMatchObject({ code: "OUTPUT_INVALID" });
  });
});

describe("streaming", () => {
  test("each yielded value is an item, the returned value the final one", async () => {
    const agent = newAgent();
    agent.register("sync", function* (to: number) {
      for (let number = 0; number < to; number++) yield number;
      return "done";
    });
    agent.register("async", async function* (to: number) {
      for (let number = 0; number < to; number++) yield await Promise.resolve(number);
    });
    const items = [0, 1, 2].map((value) => ({ type: "item", value }));
    expect(await run(agent, "sync", { args: [3] })).toEqual([
      ...items,
      { type: "final", value: "done", text: "done", stop: "end" },
    ]);
    expect(await run(agent, "async", { args: [3] })).toEqual([
      ...items,
      { type: "final", value: undefined, stop: "end" },
    ]);
    expect(agent.capabilities().map(({ streaming }) => streaming)).toEqual([true, true]);
  });

  test("arrays, sets and strings are values, not streams; an async iterable is a stream", async () => {
    const agent = newAgent();
    agent.register("echo", (value: unknown) => value);
    for (const value of [[1, 2], new Set([1]), "abc"]) {
      expect(await valueOf(agent, "echo", { args: [value] })).toBe(value);
    }
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue("a");
        controller.close();
      },
    });
    expect(await run(agent, "echo", { args: [stream] })).toMatchObject([
      { type: "item", value: "a" },
      { type: "final" },
    ]);
  });

  test("an endless generator runs only as far as it is pulled, and its finally block runs when the reader leaves", async () => {
    const agent = newAgent();
    let made = 0;
    let cleaned = false;
    agent.register("endless", function* () {
      try {
        for (;;) yield made++;
      } finally {
        cleaned = true;
      }
    });
    const task = { id: "1", capability: "endless", input: { args: [], kwargs: {} } };
    for await (const event of agent.execute(task, fakeTaskContext(clock))) {
      if (event.type === "item" && event.value === 4) break;
    }
    expect(made).toBe(5);
    expect(cleaned).toBe(true);
  });

  test("a call that was left before its first pull never runs", async () => {
    const agent = newAgent();
    let runs = 0;
    agent.register("work", () => ++runs);
    const task = { id: "1", capability: "work", input: { args: [], kwargs: {} } };
    const iterator = agent.execute(task, fakeTaskContext(clock))[Symbol.asyncIterator]();
    await iterator.return?.();
    expect((await iterator.next()).done).toBe(true);
    expect(runs).toBe(0);
  });

  test("a generator that throws ends with its error after the items it gave", async () => {
    const agent = newAgent();
    agent.register("breaks", function* () {
      yield 1;
      throw new RangeError("too far");
    });
    const events = await run(agent, "breaks");
    expect(events.map(({ type }) => type)).toEqual(["item", "error"]);
    expect(errorIn(events)).toMatchObject({ name: "RangeError", reason: "too far" });
  });

  test("the output schema of a stream is that of its items", async () => {
    const agent = newAgent();
    let cleanedCount = 0;
    const items = function* (last: unknown) {
      try {
        yield 1;
        yield last;
        return "not a number";
      } finally {
        cleanedCount++;
      }
    };
    agent.register("numbers", items, { outputSchema: { type: "number" } });
    expect((await run(agent, "numbers", { args: [2] })).map(({ type }) => type)).toEqual(["item", "item", "final"]);
    expect(errorIn(await run(agent, "numbers", { args: ["x"] }))).toMatchObject({ code: "OUTPUT_INVALID" });
    expect(cleanedCount).toBe(2);
  });
});

describe("describing", () => {
  verifies("model:capability:fields", "model:capability:types", "model:capability:cost");

  test("everything has a default, and what is made fits the model", () => {
    const agent = newAgent();
    const capability = agent.register("加/总.v-1", (a: number, b = 1) => a + b);
    expect(capabilitySchema.parse(capability)).toEqual(capability);
    expect(capability).toMatchObject({
      version: "1.0.0",
      capabilityType: "computation",
      parameters: ["a", "b"],
      inputSchema: { type: "object", properties: { a: {}, b: {} }, required: ["a"], additionalProperties: false },
      streaming: false,
      sideEffects: "none",
      idempotent: true,
      durability: "volatile",
      languages: ["*"],
      createdAtMs: clock.nowMs(),
    });
  });

  test("side effects change what may be repeated and how it is kept", () => {
    const agent = newAgent();
    const mail = agent.register("mail", (to: string) => to, { sideEffects: "external" });
    expect(mail).toMatchObject({ idempotent: false, durability: "disk" });
    const put = agent.register("put", (key: string) => key, { sideEffects: "local", idempotent: true });
    expect(put).toMatchObject({ idempotent: true, durability: "disk" });
  });

  test("what is given is published", () => {
    const cost = { baseCost: 0.1, scalingFactor: 1.2, unit: "per_image", currency: "credits" } as const;
    const given = {
      description: "Makes images small",
      version: "2.1.0",
      tags: ["image"],
      capabilityType: "image_processing",
      summary: { en: "resize", zh: "缩放" },
      examples: ["resize photo.jpg to 640"],
      typeTags: ["image/jpeg"],
      cost,
      performance: { throughputPerSecond: 50, latencyMs: 2000 },
      quality: { availabilityRatio: 0.999 },
      needs: { cpuCores: 4, gpuRequired: true },
      languages: ["en", "zh"],
      dependencies: ["decode"],
      collaborationPatterns: ["pipeline", "ensemble"],
      outputSchema: { type: "object" },
    } as const;
    const resize = newAgent().register("resize", (image: unknown) => image, {
      ...given,
      collaborationPatterns: ["pipeline", "ensemble"],
    });
    expect(resize).toMatchObject(given);
  });

  test("every capability type of the model can be given, and no other", () => {
    const agent = newAgent();
    const types = CAPABILITY_TYPES.map((capabilityType) => agent.register(capabilityType, () => 1, { capabilityType }));
    expect(types.map(({ capabilityType }) => capabilityType)).toEqual([
      "computation",
      "data_processing",
      "machine_learning",
      "image_processing",
      "video_processing",
      "natural_language",
      "audio_processing",
      "scientific_computing",
      "web_scraping",
      "database_operations",
    ]);
    const options = { capabilityType: JSON.parse('"alchemy"') };
    expect(() => agent.register("gold", () => 1, options)).toThrow("capabilityType");
  });

  test("names that are optional, and an input schema of one's own", async () => {
    const agent = newAgent();
    const greet = (name: string, greeting?: string) => `${greeting ?? "hello"} ${name}`;
    agent.register("greet", greet, { parameters: ["name", "greeting?"] });
    expect(await valueOf(agent, "greet", { args: ["ann"] })).toBe("hello ann");
    const inputSchema = { type: "object", properties: { ms: { type: "number", maximum: 10 } }, required: ["ms"] };
    agent.register("nap", (ms: number) => ms, { inputSchema });
    expect(errorIn(await run(agent, "nap", { args: [11] }))).toMatchObject({ reason: "ms must be <= 10" });
  });

  test("refuses bad names, twice the same name, schemas without names, too much text", () => {
    const agent = newAgent();
    for (const name of ["", "has space", "-dash", "a".repeat(121), "new\nline"]) {
      expect(() => agent.register(name, () => 1)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    agent.register("add", () => 1);
    expect(() => agent.register("add", () => 2)).toThrow(expect.objectContaining({ code: "CAPABILITY_EXISTS" }));
    expect(() => agent.register("x", (...all: unknown[]) => all, { inputSchema: { type: "object" } })).toThrow(
      "give `parameters` too",
    );
    expect(() => agent.register("y", () => 1, { description: "x".repeat(2001) })).toThrow("description");
    expect(agent.capabilities().map(({ name }) => name)).toEqual(["add"]);
  });

  test("unregister takes it back; the array of capabilities changes only with its content", async () => {
    const agent = newAgent();
    agent.register("add", () => 1);
    const before = agent.capabilities();
    expect(agent.capabilities()).toBe(before);
    agent.unregister("add");
    expect(agent.capabilities()).toEqual([]);
    expect(errorIn(await run(agent, "add"))).toMatchObject({ code: "CAPABILITY_UNKNOWN" });
    expect(() => agent.unregister("add")).toThrow(expect.objectContaining({ code: "CAPABILITY_UNKNOWN" }));
    agent.register("add", () => 2);
    expect(await valueOf(agent, "add")).toBe(2);
  });

  test("one handler per message kind", () => {
    const agent = newAgent();
    const handler = (): number => 1;
    agent.registerHandler("hello", handler);
    expect(agent.messageHandler("hello")).toBe(handler);
    expect(() => agent.registerHandler("hello", handler)).toThrow("it has a handler already");
    expect(() => agent.registerHandler("", handler)).toThrow("empty");
    agent.unregisterHandler("hello");
    expect(agent.messageHandler("hello")).toBeUndefined();
  });

  test("a worker function must name a module that can be loaded", () => {
    const agent = newAgent();
    expect(() => agent.register("w", { module: "./relative.ts" })).toThrow("must be a file: URL");
    expect(agent.register("v", { module: "/abs/olute.ts" }).parameters).toBeUndefined();
  });
});
