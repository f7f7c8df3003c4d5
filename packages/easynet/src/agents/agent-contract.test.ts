import { describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { agentContract, type AgentHarness } from "../testing/contracts/agent.ts";
import { functionAgent } from "./function-agent.ts";
import { replayAgent } from "./replay-agent.ts";

verifies("agents:contract:methods");

const never = new Promise<never>(() => undefined);

const functions: AgentHarness = {
  open(clock) {
    const agent = functionAgent({ name: "functions", clock });
    agent.register("join", (words: readonly string[], separator = " ") => words.join(separator));
    agent.register("fail", () => {
      throw new TypeError("no");
    });
    agent.register("hang", () => never);
    return agent;
  },
  answers: { capability: "join", input: { args: [["a", "b"]], kwargs: { separator: "-" } }, value: "a-b" },
  fails: { capability: "fail", input: { args: [], kwargs: {} }, code: "FUNCTION_FAILED" },
  lasts: { capability: "hang", input: { args: [], kwargs: {} } },
};

const streams: AgentHarness = {
  open(clock) {
    const agent = functionAgent({ name: "streams", clock });
    agent.register("count", function* (to: number) {
      for (let number = 0; number < to; number++) yield number;
      return to;
    });
    agent.register("break", async function* () {
      yield await Promise.resolve(1);
      throw new RangeError("out");
    });
    agent.register("endless", async function* () {
      for (;;) yield await Promise.resolve(1);
    });
    return agent;
  },
  answers: { capability: "count", input: { args: [3], kwargs: {} }, value: 3 },
  fails: { capability: "break", input: { args: [], kwargs: {} }, code: "FUNCTION_FAILED" },
  lasts: { capability: "endless", input: { args: [], kwargs: {} } },
};

const noInput = { args: [], kwargs: {} };
const replay: AgentHarness = {
  open: () =>
    replayAgent({
      name: "replay",
      speed: 1,
      recordings: [
        {
          capability: "ask",
          input: { args: ["why"], kwargs: {} },
          events: [
            { atMs: 0, event: { type: "delta", text: "be" } },
            { atMs: 0, event: { type: "final", value: "because", text: "because", stop: "end" } },
          ],
        },
        {
          capability: "slow",
          input: noInput,
          events: [{ atMs: 1e9, event: { type: "final", value: 1, stop: "end" } }],
        },
      ],
    }),
  answers: { capability: "ask", input: { args: ["why"], kwargs: {} }, value: "because" },
  fails: { capability: "ask", input: { args: ["what"], kwargs: {} }, code: "RECORDING_MISSING" },
  lasts: { capability: "slow", input: noInput },
};

describe.each([
  ["function agent", functions],
  ["function agent with generators", streams],
  ["replay agent", replay],
])("%s", (_name, harness) => {
  test.for(agentContract)("$name", async ({ run }) => {
    await expect(run(harness)).resolves.toBeUndefined();
  });
});
