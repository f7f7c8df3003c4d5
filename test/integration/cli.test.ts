import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Gateway } from "../../packages/easynet/src/gateway/index.ts";
import { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";
import { until } from "./attach-client.ts";
import { cli, homeOf, startCli } from "./cli-process.ts";
import { startTestGateway } from "./gateway-client.ts";

let gateway: Gateway;
let node: FakeNode;
let home: string;
let stopRequests: () => number;

beforeAll(async () => {
  const neighbour = new FakeNode({ name: "邻居\u001B[2J" });
  const own = new FakeNode({ name: "own", reachable: new Map([["10.0.0.2:7441", neighbour]]) });
  ({ gateway, node, stopRequests } = await startTestGateway({ node: own }));
  await node.connect("10.0.0.2:7441");
  await node.share("bytes", () => new Uint8Array([0, 255, 10]));
  await node.share("size", ([bytes]) => (bytes instanceof Uint8Array ? bytes.length : undefined));
  home = homeOf(gateway.url);
});
afterAll(async () => {
  await gateway.close();
  rmSync(home, { recursive: true });
});

const run = (...args: string[]): ReturnType<typeof cli> => cli(args, { home });

describe("status, peers, agents", () => {
  test("show the node with what to type next", async () => {
    const { code, stdout, stderr } = await run("status");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("easynet 0.0.0-fake · own (z6Mk");
    expect(stdout).toMatch(/^Links {6}1 connected, 1 nodes known$/m);
    expect(stdout).toMatch(/^Next {7}easynet agents$/m);
  });

  test("list agents and filter them by what they can do", async () => {
    const { stdout } = await run("agents", "--can", "add");
    expect(stdout.split("\n")).toEqual([
      "NAME  WHERE  CAN  PRICE  PATH          STATE",
      "add   own    add  –      this machine  ready",
      "",
    ]);
    const none = await run("agents", "--can", "fly");
    expect(none).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("offers fly") });
  });

  test("take this machine out of the choice of others, and say what that means", async () => {
    expect(await run("maintenance", "on")).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("nobody chooses"),
    });
    expect((await run("maintenance", "off", "--json")).json).toEqual({ on: false });
    expect((await run("maintenance", "perhaps")).code).not.toBe(0);
    const wrong = await run("agents", "--where", "colour:red", "--json");
    expect(wrong.json).toMatchObject({ code: "QUERY_INVALID", details: { position: 1 } });
  });

  test("show names of other machines without their control characters, aligned in any script", async () => {
    const { stdout } = await run("peers", "--lang", "zh");
    expect(stdout).not.toContain("\u001B");
    const [head = "", row = ""] = stdout.split("\n");
    expect(head).toMatch(/^名称 {6}标识/);
    expect(row).toMatch(/^邻居�\[2J {2}z6Mk/);
  });

  test("print one object with --json", async () => {
    expect((await run("status", "--json")).json).toMatchObject({ did: node.did, counts: { peers: 1 } });
    expect((await run("peers", "--json")).json).toMatchObject({ peers: [{ direction: "outbound" }] });
    expect((await run("agents", "--json")).json).toMatchObject({ agents: expect.arrayContaining([]) });
  });
});

describe("call", () => {
  test("prints the value on stdout and the rest on stderr", async () => {
    const { code, stdout, stderr } = await run("call", "add", "20", "22");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "42\n" });
    expect(stderr).toMatch(/^ok {2}\d.* own\n$/);
  });

  test("takes JSON, text and named arguments", async () => {
    expect((await run("call", "echo", "plain text")).stdout).toBe("plain text\n");
    expect((await run("call", "echo", '{"a":[1,2]}')).stdout).toBe('{"a":[1,2]}\n');
    expect((await run("call", "named", "--kwargs", '{"x":1}')).stdout).toBe('{"x":1}\n');
  });

  test("prints one object with --json", async () => {
    const { json } = await run("call", "add", "1", "2", "--json");
    expect(json).toMatchObject({ value: 3, nodeName: "own", agent: "add", attempts: 1, node: node.did });
  });

  test("collects items, or prints them as they come", async () => {
    expect((await run("call", "count", "3")).stdout).toBe("1\n2\n3\n");
    expect((await run("call", "count", "3", "--stream")).stdout).toBe("1\n2\n3\n");
    const lines = (await run("call", "count", "2", "--stream", "--json")).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).type)).toEqual(["assigned", "item", "item", "final"]);
  });

  test("writes bytes to a pipe, never to a terminal", async () => {
    expect((await run("call", "bytes")).bytes).toEqual(Buffer.from([0, 255, 10]));
    const terminal = await cli(["call", "bytes"], { home, isTTY: true });
    expect(terminal).toMatchObject({ stdout: "", stderr: expect.stringContaining("3 B") });
  });

  test("sends the bytes of a file, also more than HTTP takes", async () => {
    for (const size of [10, 3_000_000]) {
      const file = join(home, `file-${size}`);
      writeFileSync(file, Buffer.alloc(size, 1));
      expect((await run("call", "size", `@${file}`)).stdout).toBe(`${size}\n`);
    }
  });

  test("refuses what even the WebSocket does not take", async () => {
    const file = join(home, "too-large");
    writeFileSync(file, Buffer.alloc(13_000_000, 1));
    expect((await run("call", "size", `@${file}`, "--json")).json).toMatchObject({ code: "INPUT_TOO_LARGE" });
  });

  test("streams over the WebSocket too, further than one window", async () => {
    await node.share("repeat", async function* repeat([text, times]) {
      for (let time = 0; time < Number(times); time++) yield String(text).length;
    });
    const { stdout } = await run("call", "repeat", "x".repeat(1_100_000), "200");
    expect(stdout.trim().split("\n").length).toBe(200);
  });

  test("fails with the code's exit code, in the user's language", async () => {
    const unknown = await run("call", "fly");
    expect(unknown).toMatchObject({ code: 3, stdout: "" });
    expect(unknown.stderr).toBe("error: No agent in reach offers fly. See what is offered with easynet agents.\n");
    const chinese = await run("call", "fly", "--lang", "zh", "--json");
    expect(chinese.json).toMatchObject({
      code: "NO_CAPABLE_AGENT",
      message: "当前没有可用的智能体提供 fly。用 easynet agents 查看可用能力。",
      hint: "easynet agents",
      retryable: true,
    });
    expect(await run("call", "fail")).toMatchObject({ code: 1, stderr: expect.stringContaining("TypeError: no") });
    expect(await run("call", "wait", "--timeout", "30ms")).toMatchObject({ code: 7 });
    expect(await run("call", "wait", "--timeout", "soon")).toMatchObject({ code: 2 });
    expect(await run("call", "add", "--priority", "extreme")).toMatchObject({ code: 2 });
  });

  test("cancels the task on the network at Ctrl-C and ends with 130", async () => {
    const started = Promise.withResolvers<AbortSignal>();
    await node.share("endless", async (_args, { signal }) => {
      started.resolve(signal);
      await new Promise(() => undefined);
    });
    const running = startCli(["call", "endless"], { home });
    const signal = await started.promise;
    running.interrupt();
    expect(await running.result).toMatchObject({ code: 130 });
    await until(() => signal.aborted);
  });
});

describe("watch", () => {
  test("prints what happens until Ctrl-C", async () => {
    const listeners = node.listenersCount;
    const running = startCli(["watch"], { home });
    await until(() => node.listenersCount > listeners);
    await run("call", "add", "1", "1");
    await run("call", "fail");
    await until(() => running.stdout().includes("failed"));
    running.interrupt();
    const { code, stdout, stderr } = await running.result;
    expect(code).toBe(130);
    expect(stderr).toContain("watching own");
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d {2}add started for local$/m);
    expect(stdout).toMatch(/ {2}add completed in \d/);
    expect(stdout).toMatch(/ {2}fail failed in .*: FUNCTION_FAILED/);
  });

  test("prints one object a line with --json, and ends when the node stops", async () => {
    const other = await startTestGateway();
    const otherHome = homeOf(other.gateway.url);
    const running = startCli(["watch", "--json"], { home: otherHome });
    await until(() => other.node.listenersCount > 0);
    await cli(["call", "add", "1", "1"], { home: otherHome });
    await until(() => running.stdout().includes("task-ended"));
    await other.gateway.close();
    const { code, stdout } = await running.result;
    expect(code).toBe(0);
    const types = stdout.trim().split("\n");
    expect(types.map((line) => JSON.parse(line).type)).toEqual(["task-started", "task-ended"]);
    rmSync(otherHome, { recursive: true });
  });
});

describe("without a node", () => {
  test("every command that needs one says how to start it, with exit code 8", async () => {
    const empty = join(home, "nothing-here");
    for (const args of [["status"], ["peers"], ["agents"], ["call", "add"], ["watch"], ["down"]]) {
      const result = await cli(args, { home: empty });
      expect(result).toMatchObject({ code: 8, stdout: "" });
      expect(result.stderr).toContain("Start one with easynet up.");
    }
  });

  test("a node that died without leaving is no node", async () => {
    const stale = homeOf("http://127.0.0.1:9");
    expect((await cli(["status", "--json"], { home: stale })).json).toMatchObject({ code: "NODE_NOT_RUNNING" });
    rmSync(stale, { recursive: true });
  });

  test("a wrong or missing token is told, with exit code 4", async () => {
    const wrong = homeOf(gateway.url);
    writeFileSync(join(wrong, "token"), "wrong");
    expect(await cli(["status"], { home: wrong })).toMatchObject({ code: 4 });
    rmSync(join(wrong, "token"));
    expect(await cli(["status"], { home: wrong })).toMatchObject({ code: 4 });
    rmSync(wrong, { recursive: true });
  });
});

describe("the command line itself", () => {
  test("suggests the nearest command and option", async () => {
    const wrong = await run("statsu");
    expect(wrong).toMatchObject({ code: 2, stdout: "" });
    expect(wrong.stderr).toBe(
      "error: There is no command statsu. Did you mean status? easynet --help lists the commands.\n",
    );
    expect((await run("agents", "--cam", "x")).stderr).toContain("There is no option --cam. Did you mean --can?");
    expect((await run("call", "--lang", "zh")).stderr).toContain("缺少参数 name。");
    expect((await run("statsu", "--json")).json).toMatchObject({ code: "INVALID_ARGUMENT", hint: "easynet --help" });
  });

  test("has help with an example for every command, in both languages", async () => {
    const help = await run("--help");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    const names = [...help.stdout.matchAll(/^ {2}([a-z]+) /gm)].flatMap(([, name = ""]) =>
      name === "help" ? [] : [name],
    );
    expect(names).toEqual(expect.arrayContaining(["up", "down", "status", "peers", "agents", "call", "watch"]));
    for (const name of names) {
      expect((await run(name, "--help")).stdout).toMatch(new RegExp(`Examples:\n {2}\\$ easynet ${name}`));
      expect((await run("help", name, "--lang", "zh")).stdout).toContain("示例：\n  $ easynet");
    }
    expect((await run()).stdout).toBe(help.stdout);
  });

  test("shows its version without a node", async () => {
    expect((await run("version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run("--version")).stdout).toBe((await run("version")).stdout);
    expect((await run("version", "--json")).json).toMatchObject({ node: process.versions.node });
  });

  test("explains every setting", async () => {
    const env = { EASYNET_API_PORT: "9000" };
    const { stdout } = await cli(["config", "--explain"], { home, env });
    expect(stdout).toMatch(/^apiPort +9000 +environment +EASYNET_API_PORT$/m);
    expect(stdout).toMatch(/^mdns +true +default +EASYNET_MDNS$/m);
    expect((await cli(["config", "--json"], { home, env })).json).toMatchObject({
      settings: expect.arrayContaining([
        { key: "apiPort", value: 9000, origin: "environment", variable: "EASYNET_API_PORT" },
      ]),
    });
    const wrong = await cli(["config"], { home, env: { EASYNET_API_PORT: "many" } });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("apiPort") });
  });

  test("uses colours only on a terminal that wants them", async () => {
    const colored = async (options: {
      env?: Record<string, string>;
      isTTY?: boolean;
      args?: string[];
    }): Promise<boolean> => {
      const { stdout } = await cli(["agents", ...(options.args ?? [])], { home, ...options });
      return stdout.includes("\u001B[");
    };
    expect(await colored({ isTTY: true })).toBe(true);
    expect(await colored({ isTTY: false })).toBe(false);
    expect(await colored({ isTTY: true, env: { NO_COLOR: "1" } })).toBe(false);
    expect(await colored({ isTTY: true, env: { TERM: "dumb" } })).toBe(false);
    expect(await colored({ isTTY: true, args: ["--no-color"] })).toBe(false);
    expect(await colored({ isTTY: false, env: { FORCE_COLOR: "1" } })).toBe(true);
  });
});

test("down asks the node to stop and waits until it is gone", async () => {
  const running = startCli(["down", "--json"], { home });
  await until(() => stopRequests() === 1);
  rmSync(join(home, "run.json"));
  expect((await running.result).json).toEqual({ stopped: true, name: "own", pid: process.pid });
});
