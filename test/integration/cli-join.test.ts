import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { generateKeyPair } from "../../packages/easynet/src/identity/index.ts";
import { FakeNode } from "../../packages/easynet/src/testing/fake-node.ts";
import { cli, homeOf } from "./cli-process.ts";
import { startTestGateway } from "./gateway-client.ts";
import { CommandProcess, QUIET, runCommand, SOURCE_COMMAND } from "./up-process.ts";

let folder: string;
let running: CommandProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "easynet-join-"));
  running = [];
});
afterEach(() => {
  for (const { child } of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function start(name: string, ...args: string[]): CommandProcess {
  const process = new CommandProcess(SOURCE_COMMAND, [...args, "--name", name, ...QUIET], join(folder, name));
  running.push(process);
  return process;
}
const run = (name: string, ...args: string[]): ReturnType<typeof runCommand> =>
  runCommand(SOURCE_COMMAND, args, join(folder, name));

async function inviteFrom(name: string): Promise<string> {
  await start(name, "up").untilPrinted("Try it");
  const invited = run(name, "invite");
  expect(invited).toMatchObject({ status: 0, stderr: expect.stringContaining("On the other machine (holds 1") });
  return /^easynet join (\S+)\n$/.exec(invited.stdout)?.[1] ?? "";
}

test("invite prints one line to type on the other machine; join makes it a member that calls and is called", async () => {
  const code = await inviteFrom("amber");
  const cobalt = start("cobalt", "join", code);
  await cobalt.untilPrinted("Try it");
  expect(cobalt.stdout).toMatch(/^joined "home" · amber is [\d.]+ ms away\neasynet /);
  expect(run("amber", "call", "count-words", "a b c", "--target", "cobalt")).toMatchObject({
    status: 0,
    stdout: "3\n",
  });
  expect(run("amber", "invite", "--list").stdout).toMatch(/ 1\/1 /);

  const thief = run("thief", "join", code, ...QUIET);
  expect(thief).toMatchObject({ status: 4, stderr: expect.stringContaining("used by another machine") });
  expect(existsSync(join(folder, "thief", "membership.json"))).toBe(false);
  const zh = run("thief", "join", code, ...QUIET, "--lang", "zh", "--json");
  expect(JSON.parse(zh.stdout)).toMatchObject({ code: "INVITE_USED", hint: "easynet invite" });

  expect(run("cobalt", "leave").status).toBe(0);
  expect(await cobalt.exit).toEqual({ code: 0, signal: null });
  expect(existsSync(join(folder, "cobalt", "membership.json"))).toBe(false);
  expect(existsSync(join(folder, "cobalt", "node.key"))).toBe(true);
  expect(run("amber", "leave")).toMatchObject({ status: 1, stderr: expect.stringContaining("--yes") });
  expect(existsSync(join(folder, "amber", "membership.json"))).toBe(true);
});

test("a copied folder is noticed on both sides, and the copy is told to wait", async () => {
  const code = await inviteFrom("amber");
  const cobalt = start("cobalt", "join", code);
  await cobalt.untilPrinted("Try it");
  cpSync(join(folder, "cobalt"), join(folder, "copy"), {
    recursive: true,
    filter: (path) => !/(lock|run\.json)$/.test(path),
  });
  const copy = start("copy", "up");
  await copy.untilPrinted("Try it");
  for (const [name, who] of [
    ["copy", "this one started later and waits"],
    ["cobalt", "that one started later and waits"],
  ] as const) {
    const endMs = performance.now() + 20_000;
    while (!run(name, "status").stdout.includes(who)) expect(performance.now()).toBeLessThan(endMs);
  }
  expect(readFileSync(join(folder, "copy", "node.log"), "utf8")).toContain("another process runs with this node's key");
});

test("a machine without a code waits until a person approves it", async () => {
  await inviteFrom("amber");
  const { addresses } = JSON.parse(run("amber", "status", "--json").stdout);
  const cobalt = start("cobalt", "join", "--ask", addresses[0]);
  const list = (): { joins: { did: string; name: string }[] } => JSON.parse(run("amber", "approve", "--json").stdout);
  const endMs = performance.now() + 15_000;
  while (list().joins.length === 0) expect(performance.now()).toBeLessThan(endMs);
  const [asked] = list().joins;
  expect(run("amber", "approve").stdout).toContain(asked?.did);
  expect(run("amber", "approve", "nobody").status).toBe(3);
  expect(run("amber", "approve", asked?.name ?? "").status).toBe(0);
  await cobalt.untilPrinted("Try it");
  expect(cobalt.stdout).toMatch(/^joined "home" · /);
  expect(cobalt.stderr).toContain(`easynet approve ${asked?.did}`);
});

test("the commands say what is wrong with their arguments and what they may not do", async () => {
  const root = generateKeyPair();
  const { gateway } = await startTestGateway({ node: new FakeNode({ root }) });
  const other = await startTestGateway({ node: new FakeNode({}) });
  const homes = [homeOf(gateway.url), homeOf(other.gateway.url)] as const;
  const at = (index: 0 | 1, ...args: string[]): ReturnType<typeof cli> => cli(args, { home: homes[index] });
  expect(await at(0, "invite", "--uses", "3", "--expires", "1h", "--json")).toMatchObject({
    code: 0,
    json: { usesMax: 3, joined: [], revoked: false, code: expect.stringMatching(/^[0-9A-Z-]+$/) },
  });
  expect(await at(0, "invite", "--member-only", "--json")).toMatchObject({ code: 0, json: { memberOnly: true } });
  expect((await at(0, "invite", "--uses", "0")).code).toBe(2);
  expect((await at(0, "invite", "--expires", "soon")).code).toBe(2);
  expect((await at(0, "invite", "--revoke", "nothing")).code).toBe(2);
  const { json } = await at(0, "invite", "--json");
  const id = typeof json === "object" && json !== null && "id" in json ? String(json.id) : "";
  expect((await at(0, "invite", "--revoke", id)).stderr).toContain(id);
  expect((await at(0, "approve")).stderr).toContain("No machine asks");
  expect((await at(1, "invite")).stderr).toContain("may not let others in");
  expect((await at(1, "approve", "--lang", "zh")).stderr).toContain("无权让其他机器加入");
  expect((await at(0, "leave")).code).toBe(1);
  const empty = { home: join(folder, "empty") };
  expect((await cli(["join"], empty)).code).toBe(2);
  expect(await cli(["join", "0000", "--json"], empty)).toMatchObject({ code: 2, json: { code: "INVITE_INVALID" } });
  expect((await cli(["invite"], empty)).code).toBe(8);
  expect((await cli(["leave"], empty)).stderr).toContain("in no network");
  await Promise.all([gateway.close(), other.gateway.close()]);
});

test("on a terminal the code is drawn for a camera too, elsewhere only when asked for", async () => {
  const { gateway } = await startTestGateway({ node: new FakeNode({ root: generateKeyPair() }) });
  const home = homeOf(gateway.url);
  const drawn = async (args: readonly string[], isTTY: boolean): Promise<boolean> => {
    const { stdout, stderr, code } = await cli(["invite", ...args], { home, isTTY });
    expect(code).toBe(0);
    expect(stdout).not.toContain("█");
    return stderr.includes("█████");
  };
  expect(await drawn([], true)).toBe(true);
  for (const args of [["--no-qr"], ["--json"]]) expect(await drawn(args, true)).toBe(false);
  expect(await drawn([], false)).toBe(false);
  for (const args of [["--qr"], ["--qr", "--json"]]) expect(await drawn(args, false)).toBe(true);
  await gateway.close();
});
