import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { AGENT_DID, hostWith } from "../testing/host-fixture.ts";
import { functionAgent } from "./function-agent.ts";
import { STOP_GRACE_MS } from "./one-end.ts";

const never = new Promise<never>(() => undefined);

describe("messages", () => {
  verifies("agents:contract:methods");

  test("go to the handler of their kind; what it returns comes back", async () => {
    const agent = functionAgent({ name: "receiver" });
    agent.registerHandler("greet", async (message, context) => {
      const { kind, from, payload } = message;
      return Promise.resolve({ kind, from, payload, aborted: context.signal.aborted });
    });
    const { host } = hostWith(agent);
    const request = { kind: "greet", payload: { hello: 1 }, from: "did:key:z6MkSender" };
    const expected = { kind: "greet", payload: { hello: 1 }, from: "did:key:z6MkSender", aborted: false };
    await expect(host.deliver({ ...request, agentDid: AGENT_DID })).resolves.toEqual(expected);
    await expect(host.deliver(request)).resolves.toEqual(expected);
  });

  test("an unknown kind or agent is refused and counted; a handler's error reaches the sender", async () => {
    const agent = functionAgent({ name: "receiver" });
    agent.registerHandler("bad", () => {
      throw new TypeError("no");
    });
    const { host, counts } = hostWith(agent);
    const message = { payload: 1, from: "local", agentDid: AGENT_DID };
    await expect(host.deliver({ ...message, kind: "nope" })).rejects.toMatchObject({ code: "MESSAGE_UNKNOWN" });
    await expect(host.deliver({ ...message, agentDid: "did:key:x", kind: "bad" })).rejects.toMatchObject({
      code: "MESSAGE_UNKNOWN",
    });
    expect(counts.get("easynet_agent_messages_refused_total unknown-kind")).toBe(2);
    await expect(host.deliver({ ...message, kind: "bad" })).rejects.toMatchObject({
      code: "FUNCTION_FAILED",
      details: { name: "TypeError", reason: "no" },
    });
  });

  test("are no way around the node's end or the deadline", async () => {
    const agent = functionAgent({ name: "receiver" });
    agent.registerHandler("wait", () => never);
    const { host, clock } = hostWith(agent);
    const message = { kind: "wait", payload: 1, from: "local" };
    const late = host.deliver({ ...message, deadlineAtMs: clock.nowMs() + 5 }).catch((error: unknown) => error);
    await clock.advanceAsync(5 + STOP_GRACE_MS);
    expect(await late).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const unlimited = host.deliver(message).catch((error: unknown) => error);
    await clock.advanceAsync(30_000 + STOP_GRACE_MS);
    expect(await unlimited).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await host.close(0);
    await expect(host.deliver(message)).rejects.toMatchObject({ code: "NODE_STOPPING" });
  });
});
