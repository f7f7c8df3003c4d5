import { describe, expect, test } from "vitest";
import { z } from "zod";
import { fakeTaskContext, VirtualClock } from "../testing/index.ts";
import type { AgentContent } from "../node/index.ts";
import type { OfferedAgent } from "./node-access.ts";
import { Voice } from "./voice.ts";

function setUp(): { readonly voice: Voice; readonly sent: AgentContent[]; readonly joined: string[] } {
  const sent: AgentContent[] = [];
  const joined: string[] = [];
  const report = { delivered: [], failed: [] };
  const offered: OfferedAgent = {
    refresh: async () => undefined,
    sendMessage: async (_to, content) => void sent.push(content),
    broadcast: async () => report,
    announce: () => "id",
    joinTopic: async (topic) => void joined.push(topic),
    leaveTopic: async () => undefined,
    publish: async () => report,
    peers: () => [],
    [Symbol.asyncDispose]: async () => undefined,
  };
  const voice = new Voice((name) => (name === undefined || name === "clerk" ? offered : undefined));
  voice.kinds.define({ name: "order", schema: z.object({ id: z.string() }), priority: "high", expiresInMs: 1_000 });
  return { voice, sent, joined };
}

describe("what a process says", () => {
  test("is checked before it leaves, and carries what its kind decides", async () => {
    const { voice, sent } = setUp();
    await expect(voice.send("x", { kind: "order", payload: { id: 1 } })).rejects.toMatchObject({
      code: "PAYLOAD_INVALID",
    });
    expect(sent).toEqual([]);
    await voice.send("x", { kind: "order", payload: { id: "1" } });
    await voice.send("x", { kind: "order", payload: { id: "2" }, wait: "stored", priority: "low" });
    expect(sent).toEqual([
      { kind: "order", payload: { id: "1" }, durability: "disk", priority: "high", timeoutMs: undefined },
      { kind: "order", payload: { id: "2" }, wait: "stored", durability: "disk", priority: "low", timeoutMs: 1_000 },
    ]);
  });

  test("of a kind that it did not declare leaves as it is", async () => {
    const { voice, sent } = setUp();
    await voice.send("x", { kind: "whatever", payload: 1, from: "clerk" });
    expect(sent).toEqual([{ kind: "whatever", payload: 1 }]);
    await expect(voice.send("x", { kind: "whatever", from: "nobody" })).rejects.toMatchObject({
      code: "NO_CAPABLE_AGENT",
    });
  });

  test("to its handlers is checked too", () => {
    const { voice } = setUp();
    const handler = voice.checked("order", ({ payload }) => payload);
    const message = { id: "1", kind: "order", from: "local", receivedAtMs: 0 };
    expect(handler({ ...message, payload: { id: "1" } }, fakeTaskContext(new VirtualClock()))).toEqual({ id: "1" });
    expect(() => handler({ ...message, payload: 1 }, fakeTaskContext(new VirtualClock()))).toThrow(
      expect.objectContaining({ code: "PAYLOAD_INVALID" }),
    );
  });

  test("goes on in its topics on the next node", async () => {
    const { voice, joined } = setUp();
    await voice.join("news");
    await voice.join("weather");
    await voice.leave("news");
    await voice.joinAgain({ joinTopic: async (topic: string) => void joined.push(`again ${topic}`) });
    expect(joined).toEqual(["news", "weather", "again weather"]);
  });
});
