import { describe, expect, test } from "vitest";
import type { NodeMessage } from "../node/index.ts";
import { agentContract, type AgentHarness } from "../testing/index.ts";
import { AttachedAgent } from "./attached-agent.ts";
import { Invocations } from "./invocations.ts";

const add = { capability: "add", input: { args: [1, 2], kwargs: {} }, value: 3 };

/** An agent whose process is here: it answers in the next turn, as one behind a socket would. */
function attach(answer: (invoke: Extract<NodeMessage, { type: "invoke" }>, invocations: Invocations) => void): {
  readonly agent: AttachedAgent;
  readonly invocations: Invocations;
  readonly sent: NodeMessage[];
} {
  const sent: NodeMessage[] = [];
  const send = (message: NodeMessage): void => {
    sent.push(message);
    if (message.type === "invoke") setImmediate(() => answer(message, invocations));
  };
  const invocations = new Invocations({
    peer: () => "the process",
    send,
    congested: () => false,
    bufferedBytes: () => 0,
  });
  const functions = [{ name: "add" }, { name: "fail" }, { name: "last" }];
  const about = { name: "a", agentType: "function", description: "" };
  const agent = new AttachedAgent({ ...about, functions, handles: [], invocations, send });
  return { agent, invocations, sent };
}

const harness: AgentHarness = {
  open: () =>
    attach(({ invocation, capability, args }, invocations) => {
      if (capability === "add")
        invocations.answer({ type: "result", invocation, value: Number(args[0]) + Number(args[1]) });
      if (capability === "fail")
        invocations.answer({ type: "failure", invocation, error: { name: "E", message: "no" } });
    }).agent,
  answers: add,
  fails: { capability: "fail", input: { args: [], kwargs: {} }, code: "FUNCTION_FAILED" },
  lasts: { capability: "last", input: { args: [], kwargs: {} } },
};

describe("an attached process keeps the Agent contract", () => {
  test.for(agentContract)("$name", async (each) => {
    await expect(each.run(harness)).resolves.toBeUndefined();
  });
});
