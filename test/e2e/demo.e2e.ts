import { fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { easynet, ROOT } from "./built-network.ts";

describe("the demo", () => {
  test("ends with the right result although the first node was killed in mid-job", async () => {
    const { code, stdout } = await easynet(["demo", "--json"]);
    expect(code).toBe(0);
    const summary: unknown = JSON.parse(stdout);
    expect(summary).toMatchObject({ correct: true, killedNode: "amber" });
  });

  test("takes files, and refuses one that is not text", async () => {
    const { code, stdout } = await easynet(["demo", "--json", "package.json"]);
    expect({ code, correct: JSON.parse(stdout).correct }).toEqual({ code: 0, correct: true });
    expect((await easynet(["demo", process.execPath])).code).toBe(2);
  });
});

describe("the examples", () => {
  test.each([
    ["share-a-function", "share.ts", "call.ts"],
    ["messages", "bakery.ts", "order.ts"],
  ])("%s: the second process checks every answer of the first", async (example, first, second) => {
    const home = mkdtempSync(join(tmpdir(), "easynet-example-"));
    const env = {
      ...process.env,
      EASYNET_HOME: home,
      EASYNET_LISTEN_HOST: "127.0.0.1",
      EASYNET_LISTEN_PORT: "0",
      EASYNET_API_PORT: "0",
      EASYNET_MDNS: "off",
    };
    const start = (name: string) =>
      fork(join(ROOT, "examples", example, name), { env, execPath: process.execPath, execArgv: [] });
    const share = start(first);
    await new Promise((resolve) => {
      share.once("message", resolve);
    });
    const code = await new Promise((resolve) => {
      start(second).once("exit", resolve);
    });
    share.kill("SIGKILL");
    rmSync(home, { recursive: true, force: true });
    expect(code).toBe(0);
  });
});
