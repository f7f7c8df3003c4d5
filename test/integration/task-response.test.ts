/** What a caller learns of a task: which one, in which state, what came of it, how long it took and what it used. */
import { expect, test } from "vitest";
import { Client } from "../../packages/easynet/src/index.ts";
import { lastStateOf } from "../../packages/easynet/src/messaging/index.ts";
import type { AgentEvent } from "../../packages/easynet/src/model/index.ts";
import { FakeAgent, fakeCapability } from "../../packages/easynet/src/testing/index.ts";
import { verifies } from "../requirements.ts";
import { TestNetwork, until } from "../support/network.ts";

const USED = { type: "usage", inputTokens: 12, outputTokens: 30, basis: "reported" } as const;

test("the response to a task on another node: id, state, result or typed error, time and tokens", async () => {
  verifies("model:task:response");
  await using network = new TestNetwork();
  const provider = await network.start("provider");
  const caller = await network.start("caller", { bootstrap: provider.node.status().addresses });
  const gate = Promise.withResolvers<void>();
  const capabilities = ["draft", "fail"].map((name) =>
    fakeCapability(name, { durability: "disk", sideEffects: "external", idempotent: false }),
  );
  async function* script({ capability }: { readonly capability: string }): AsyncGenerator<AgentEvent, void, void> {
    yield USED;
    if (capability === "fail") {
      yield { type: "error", error: { code: "BUDGET_EXCEEDED", message: "spent", retryable: false, details: {} } };
      return;
    }
    await gate.promise;
    yield { type: "final", value: { text: "done" }, stop: "end" };
  }
  await provider.node.addAgent(new FakeAgent({ name: "writer", capabilities, script }));
  await until("the caller knows the writer", () => caller.node.offers({ capability: "draft" }).length === 1);
  await using client = new Client({ home: caller.node.home });

  // Pending until its provider has stored it, then running, as A2A calls it.
  expect(lastStateOf({ accepted: false, end: undefined })).toBe("submitted");
  const startedMs = performance.now();
  const pending = client.call("draft", { id: "draft-1" }).result();
  await until("it is accepted", () => caller.node.tasks().asked.some(({ accepted }) => accepted));
  expect(await client.task("draft-1")).toMatchObject({ state: "working" });
  gate.resolve();
  const result = await pending;
  const { durationMs } = result;
  expect(result).toMatchObject({ taskId: "draft-1", value: { text: "done" }, node: "provider", usage: [USED] });
  expect(durationMs).toBeGreaterThan(0);
  expect(durationMs).toBeLessThanOrEqual(performance.now() - startedMs);
  expect(await client.task("draft-1")).toMatchObject({ state: "completed", value: { text: "done" } });

  await expect(client.call("fail", { id: "draft-2" }).result()).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
  expect(await client.task("draft-2")).toMatchObject({ state: "failed", error: { code: "BUDGET_EXCEEDED" } });
});
