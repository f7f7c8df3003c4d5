import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../../packages/easynet/src/gateway/index.ts";
import { EasynetError } from "../../packages/easynet/src/kernel/index.ts";
import type { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";
import { cli, homeOf } from "./cli-process.ts";
import { startTestGateway } from "./gateway-client.ts";

let gateway: Gateway;
let node: FakeNode;
let home: string;

beforeAll(async () => {
  ({ gateway, node } = await startTestGateway());
  home = homeOf(gateway.url);
});
afterAll(async () => {
  await gateway.close();
  rmSync(home, { recursive: true });
});

const run = (...args: string[]): ReturnType<typeof cli> => cli(args, { home });

describe("task, tasks", () => {
  const report = { capability: "charge", node: "", nodeName: "bank", agentName: "till", createdAtMs: 0 };

  test("say how a stored task is, and print its outcome as a call does", async () => {
    const bank = { ...report, node: node.did, reached: true };
    const error = new EasynetError("TASK_INTERRUPTED", { taskId: "t-3", capability: "charge", reason: "a reason" });
    node.storedTasks.set("t-1", { ...bank, id: "t-1", state: "working" });
    node.storedTasks.set("t-2", { ...bank, id: "t-2", state: "completed", value: { paid: 3 } });
    node.storedTasks.set("t-3", { ...bank, id: "t-3", state: "failed", error: error.toJSON() });
    node.storedTasks.set("t-4", { ...bank, id: "t-4", state: "working", reached: false });
    node.storedTasks.set("t-5", { ...bank, id: "t-5", state: "completed", value: null, items: [1, "two"] });
    expect(await run("task", "t-1")).toMatchObject({
      code: 0,
      stdout: "working\n",
      stderr: expect.stringContaining("has not finished"),
    });
    expect(await run("task", "t-2")).toMatchObject({ code: 0, stdout: '{"paid":3}\n' });
    expect(await run("task", "t-3")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("cut short: a reason"),
    });
    expect(await run("task", "t-4", "--lang", "zh")).toMatchObject({
      code: 0,
      stdout: "执行中\n",
      stderr: expect.stringContaining("bank 目前失联"),
    });
    expect(await run("task", "t-5")).toMatchObject({ code: 0, stdout: "1\ntwo\n" });
    expect((await run("task", "t-2", "--json")).json).toMatchObject({
      id: "t-2",
      state: "completed",
      value: { paid: 3 },
    });
    expect((await run("task", "t-9", "--json")).json).toMatchObject({ code: "TASK_FORGOTTEN" });
    const { stdout } = await run("tasks");
    expect(stdout.split("\n")).toHaveLength(7);
    expect(stdout).toMatch(/^t-3 +charge +failed +to bank/m);
    expect((await run("tasks", "--json")).json).toMatchObject({ served: [] });
  });

  test("say when there are none", async () => {
    node.storedTasks.clear();
    expect(await run("tasks")).toMatchObject({ code: 0, stdout: "", stderr: "no stored tasks\n" });
  });
});
