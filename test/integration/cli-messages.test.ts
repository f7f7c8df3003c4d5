import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import { type ServedNode, serveNode } from "../../packages/easynet/src/gateway/index.ts";
import { loadConfig } from "../../packages/easynet/src/node/index.ts";
import { cli, startCli } from "./cli-process.ts";

let folder: string;
let served: ServedNode;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "easynet-cli-messages-"));
  const flags = { home: folder, name: "own", listenHost: "127.0.0.1", listenPort: 0, apiPort: 0, mdns: false };
  served = await serveNode(loadConfig({ env: {}, flags: { ...flags, logLevel: "silent" } }));
  const scribe = functionAgent({ name: "scribe" });
  scribe.registerHandler("note", ({ payload }) => ({ noted: payload }));
  scribe.registerHandler("shout", ({ payload }) => `${String(payload)}!`);
  scribe.registerHandler("size", ({ payload }) => (payload instanceof Uint8Array ? payload.length : "no bytes"));
  let count = 0;
  scribe.registerHandler("count", () => ++count);
  await served.node.addAgent(scribe);
});
afterAll(async () => {
  await served.stop();
  rmSync(folder, { recursive: true });
});

const run = (...args: string[]): ReturnType<typeof cli> => cli(args, { home: folder });

describe("easynet send", () => {
  test("prints what the handler answered", async () => {
    expect(await run("send", "scribe", "note", '{"text":"你好"}')).toMatchObject({
      code: 0,
      stdout: '{"noted":{"text":"你好"}}\n',
    });
    expect(await run("send", "scribe", "shout", "hello")).toMatchObject({ code: 0, stdout: "hello!\n" });
    expect((await run("send", "scribe", "note", "1", "--json")).json).toMatchObject({
      state: "answered",
      node: served.node.did,
      answer: { noted: 1 },
    });
    const file = join(folder, "three.bin");
    writeFileSync(file, new Uint8Array([0, 255, 10]));
    expect(await run("send", "scribe", "size", `@${file}`)).toMatchObject({ code: 0, stdout: "3\n" });
  });

  test("waits for less when asked, and says what became of it", async () => {
    const stored = await run("send", "scribe", "note", "1", "--wait", "stored", "--durability", "disk");
    expect(stored).toMatchObject({
      code: 0,
      stdout: "",
      stderr: expect.stringMatching(/^stored for .* as [0-9a-f-]{36}/),
    });
    const zh = await run("send", "scribe", "note", "1", "--wait", "acknowledged", "--lang", "zh");
    expect(zh.stderr).toContain("已收到");
  });

  test("under an id is done once, and its answer can be had again", async () => {
    const id = "018f3a6e-0000-7000-8000-000000000002";
    const order = ["send", "scribe", "count", "1", "--durability", "disk", "--id", id];
    expect((await run(...order)).stdout).toBe("1\n");
    expect((await run(...order)).stdout).toBe("1\n");
    expect((await run("messages", "answer", id)).stdout).toBe(`{"id":"${id}","answer":1}\n`);
  });

  test("ends with the exit code of what went wrong", async () => {
    const codes = async (...args: string[]): Promise<unknown> => {
      const { code, json } = await run("send", ...args, "--json");
      return { code, json };
    };
    expect(await codes("nobody", "note", "1")).toMatchObject({ code: 3, json: { code: "NO_CAPABLE_AGENT" } });
    expect(await codes("own", "no-such-kind", "1")).toMatchObject({
      code: 3,
      json: { code: "KIND_UNKNOWN", hint: "easynet messages kinds" },
    });
    expect(await codes("own", "emergency", "{}")).toMatchObject({ code: 2, json: { code: "PAYLOAD_INVALID" } });
    expect(await codes("scribe", "dance", "1")).toMatchObject({ code: 1, json: { code: "MESSAGE_UNKNOWN" } });
    expect(await codes("scribe", "note", "1", "--timeout", "soon")).toMatchObject({ code: 2 });
    expect((await run("send", "scribe")).code).toBe(2);
    expect((await run("send", "scribe", "note", "1", "--wait", "forever")).code).toBe(2);
  });

  test("can be watched", async () => {
    const watching = startCli(["watch"], { home: folder });
    await vi.waitUntil(async () => {
      await run("send", "scribe", "note", "1");
      return watching.stdout().includes("note came from own");
    });
    watching.interrupt();
    expect((await watching.result).stdout).toContain("note sent to own");
  });
});

describe("easynet messages", () => {
  test("shows counts, what waits and the kinds", async () => {
    const { stdout, stderr } = await run("messages");
    expect(stdout).toMatch(/^sent \d+ · acknowledged \d+/);
    expect(stderr).toContain("No message waits");
    expect((await run("messages", "outbox", "--json")).json).toMatchObject({ outbox: [] });
    const kinds = (await run("messages", "kinds")).stdout.split("\n");
    expect(kinds[0]).toMatch(/^KIND +DURABILITY +PRIORITY +EXPIRES +ANSWER$/);
    expect(kinds.some((line) => /^emergency +disk +critical/.test(line))).toBe(true);
  });

  test("lists dead letters, and takes an id to send or drop one", async () => {
    expect(await run("messages", "dead-letters")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("no dead letters"),
    });
    expect((await run("messages", "dead-letters", "--json")).json).toEqual({ deadLetters: [] });
    for (const action of ["requeue", "drop"]) {
      const { code, json } = await run("messages", action, "nothing", "--json");
      expect({ code, json }).toMatchObject({ code: 3, json: { code: "MESSAGE_NOT_FOUND" } });
      expect((await run("messages", action)).code).toBe(2);
    }
    expect((await run("messages", "answer", "nothing", "--json")).json).toMatchObject({ code: "ANSWER_UNKNOWN" });
    expect((await run("messages", "burn")).code).toBe(2);
  });

  test("explains itself in both languages", async () => {
    expect((await run("messages", "--help")).stdout).toContain("easynet messages requeue ID");
    expect((await run("send", "--help", "--lang", "zh")).stdout).toContain("消息类型");
  });
});
