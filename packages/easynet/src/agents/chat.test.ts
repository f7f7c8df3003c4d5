import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { EasynetError } from "../kernel/index.ts";
import type { AgentEvent, ChatMessage } from "../model/index.ts";
import { FakeAgent, fakeCapability } from "../testing/fake-agent.ts";
import { chat } from "./chat.ts";
import { functionAgent } from "./function-agent.ts";

verifies("agents:contract:methods");

const user = (text: string): ChatMessage => ({ role: "user", text });

describe("chat", () => {
  test("the last message is the prompt, earlier ones the history; only the final text counts", async () => {
    const script = (): AgentEvent[] => [
      { type: "delta", text: "dra" },
      { type: "delta", text: "ft" },
      { type: "final", value: { answer: 1 }, text: "the answer", stop: "end" },
    ];
    const agent = new FakeAgent({ capabilities: ["chat"], script });
    const seen: string[] = [];
    const history = [user("first"), { role: "agent", text: "reply" } as const];
    const answer = await chat(agent, [...history, user("now")], { onEvent: ({ type }) => seen.push(type) });
    expect(answer).toEqual({ role: "agent", text: "the answer" });
    expect(seen).toEqual(["delta", "delta"]);
    expect(agent.tasks[0]?.input).toEqual({ args: ["now"], kwargs: {} });
    expect(agent.contexts[0]?.conversationHistory).toEqual(history);
  });

  test("asks what is tagged chat, what is named, or the only capability there is", async () => {
    const agent = functionAgent({ name: "f" });
    agent.register("upper", (text: string) => text.toUpperCase());
    expect(await chat(agent, [user("hi")])).toEqual({ role: "agent", text: "HI" });
    agent.register("count", (text: string) => text.length);
    await expect(chat(agent, [user("hi")])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await chat(agent, [user("hi")], { capability: "count" })).toEqual({ role: "agent", text: "2" });
    const tagged = new FakeAgent({ capabilities: ["other", fakeCapability("talk", { tags: ["chat"] })] });
    await chat(tagged, [user("hi")]);
    expect(tagged.tasks[0]?.capability).toBe("talk");
  });

  test("throws what the agent ended with, and refuses an empty chat", async () => {
    const agent = functionAgent({ name: "f" });
    agent.register("chat", (_text: string) => {
      throw new RangeError("too long");
    });
    await expect(chat(agent, [user("hi")])).rejects.toMatchObject({
      code: "FUNCTION_FAILED",
      details: { name: "RangeError" },
    });
    await expect(chat(agent, [])).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const signal = AbortSignal.abort(new EasynetError("CANCELLED", { subject: "x" }));
    await expect(chat(agent, [user("hi")], { signal })).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
