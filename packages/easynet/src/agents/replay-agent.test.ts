import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AgentEvent, capabilitySchema, type TaskInput } from "../model/index.ts";
import { fakeTaskContext } from "../testing/fake-agent.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { formatRecording, inputKey, parseRecordings, type Recording } from "./recordings.ts";
import { replayAgent } from "./replay-agent.ts";
import type { Agent } from "./types.ts";

const clock = new VirtualClock();
const final = (value: unknown): AgentEvent => ({ type: "final", value, stop: "end" });
const input = (...args: readonly unknown[]): TaskInput => ({ args, kwargs: {} });

function recording(events: readonly AgentEvent[], overrides: Partial<Recording> = {}): Recording {
  return {
    capability: "ask",
    input: input("q"),
    events: events.map((event, index) => ({ atMs: index * 100, event })),
    ...overrides,
  };
}

async function play(agent: Agent, taskInput: TaskInput, capability = "ask"): Promise<AgentEvent[]> {
  const events: AgentEvent[] = [];
  const task = { id: "1", capability, input: taskInput };
  for await (const event of agent.execute(task, fakeTaskContext(clock))) events.push(event);
  return events;
}

describe("replayAgent", () => {
  test("plays what was recorded, and says everywhere that it replays", async () => {
    const events = [{ type: "delta", text: "4" } as const, final("42")];
    const agent = replayAgent({ name: "codex", recordings: [recording(events)] });
    expect(await play(agent, input("q"))).toEqual(events);
    expect(agent.agentType).toBe("replay");
    expect(agent.description).toContain("Replays 1 recorded");
    expect(agent.metadata).toMatchObject({ replay: "true" });
    expect(agent.capabilities().map(({ name, tags }) => [name, tags])).toEqual([["ask", ["replay"]]]);
    expect(() => capabilitySchema.parse(agent.capabilities()[0])).not.toThrow();
  });

  test("usage keeps its numbers, but nothing was used now: its basis is unknown", async () => {
    const used: AgentEvent = { type: "usage", inputTokens: 7, money: 0.5, basis: "reported" };
    const agent = replayAgent({ name: "r", recordings: [recording([used, final(1)])] });
    expect((await play(agent, input("q")))[0]).toEqual({ ...used, basis: "unknown" });
  });

  test("matches inputs by content, whatever the order of keys; bytes count", async () => {
    const bytes = (...values: number[]): TaskInput => input(Uint8Array.from(values));
    const agent = replayAgent({
      name: "r",
      recordings: [
        recording([final(1)], { input: { args: [{ a: 1, b: [2] }], kwargs: { x: 1, y: undefined } } }),
        recording([final(2)], { input: bytes(1, 2) }),
      ],
    });
    expect(await play(agent, { args: [{ b: [2], a: 1 }], kwargs: { x: 1 } })).toEqual([final(1)]);
    expect(await play(agent, bytes(1, 2))).toEqual([final(2)]);
    for (const other of [bytes(1, 3), input({ a: 1 }), input(Number.NaN), input(new Date(0)), input(10n)]) {
      expect(await play(agent, other)).toMatchObject([{ type: "error", error: { code: "RECORDING_MISSING" } }]);
    }
  });

  test("several answers to one input come in turn, the last one stays", async () => {
    const agent = replayAgent({ name: "r", recordings: [1, 2].map((value) => recording([final(value)])) });
    const values = [await play(agent, input("q")), await play(agent, input("q")), await play(agent, input("q"))];
    expect(values).toEqual([[final(1)], [final(2)], [final(2)]]);
  });

  test("keeps the recorded time on the clock, scaled by the speed", async () => {
    const own = new VirtualClock();
    const agent = replayAgent({
      name: "r",
      speed: 2,
      recordings: [recording([{ type: "delta", text: "" }, final(1)])],
    });
    const times: number[] = [];
    const done = (async () => {
      const task = { id: "1", capability: "ask", input: input("q") };
      for await (const _event of agent.execute(task, fakeTaskContext(own))) times.push(own.monotonicMs());
    })();
    await own.advanceAsync(1000);
    await done;
    expect(times).toEqual([0, 50]);
    expect(() => replayAgent({ name: "r", recordings: [], speed: 0 })).toThrow("speed");
  });
});

describe("recordings", () => {
  test("a file is read line by line, and refused with the number of the line", () => {
    const line = formatRecording(recording([final(1)]));
    expect(parseRecordings(`\n${line}\n\n${line}\n`)).toHaveLength(2);
    const wrong = [
      ["{", /^Line 2 .*JSON/],
      ["[]", /^Line 2 /],
      ['{"capability":"a","input":{},"events":[]}', /^Line 2 .*events/],
      [
        '{"capability":"a","input":{},"events":[{"atMs":0,"event":{"type":"delta","text":"x"}}]}',
        /must be final or error/,
      ],
      ['{"capability":"a","input":{},"events":[{"atMs":-1,"event":{"type":"delta","text":"x"}}]}', /atMs/],
      ['{"capability":"a","input":{},"events":[{"atMs":0,"event":{"type":"shout","text":"x"}}]}', /Line 2/],
      ['{"capability":"a","input":{},"events":[{"atMs":0,"event":{"type":"delta","text":"x"}}],"extra":1}', /extra/],
    ] as const;
    for (const [text, message] of wrong) expect(() => parseRecordings(`${line}\n${text}`)).toThrow(message);
  });

  test("an end in the middle is refused", () => {
    expect(() => parseRecordings(formatRecording(recording([final(1), final(2)])))).toThrow("only that");
  });

  test("what a file cannot hold is refused when written", () => {
    for (const value of [10n, new Date(), Number.NaN, new Map()]) {
      expect(() => formatRecording(recording([final(value)]))).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
    }
  });

  test("property: written recordings are read back as they were, and found under the same key", () => {
    const json = fc.jsonValue({ maxDepth: 2, stringUnit: "grapheme" });
    const value = fc.oneof(
      json.map((each): unknown => JSON.parse(JSON.stringify(each))),
      fc.uint8Array(),
    );
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 3 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), value, { maxKeys: 3 }),
        value,
        (args, kwargs, end) => {
          const original = recording([final(end)], { input: { args, kwargs: { ...kwargs } } });
          const [read] = parseRecordings(formatRecording(original));
          expect(read).toEqual(original);
          expect(inputKey("ask", read!.input)).toBe(inputKey("ask", original.input));
        },
      ),
    );
  });
});
