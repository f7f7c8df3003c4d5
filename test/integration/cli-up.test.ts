import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifies } from "../requirements.ts";
import { CommandProcess, QUIET, runCommand, SOURCE_COMMAND, withImport } from "./up-process.ts";

let home: string;
let running: CommandProcess[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "easynet-up-"));
  running = [];
});
afterEach(() => {
  for (const { child } of running) child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

function start(...args: string[]): CommandProcess {
  const up = new CommandProcess(SOURCE_COMMAND, args, home);
  running.push(up);
  return up;
}
const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(SOURCE_COMMAND, args, home);

test("up tells name, id, network, address, functions and the next command, and leaves at Ctrl-C", async () => {
  verifies("cli:start:output");
  const up = start("up", "--name", "desk", ...QUIET);
  await up.untilPrinted("Try it");
  expect(up.stdout).toMatch(/^easynet \d+\.\d+\.\d+ · desk \(z6Mk…\w{4}\) · network "home" \(new, private\)$/m);
  expect(up.stdout).toMatch(/^Nearby +nobody yet · multicast off$/m);
  expect(up.stdout).toMatch(/^Reached at +\S*\/ip4\/127\.0\.0\.1\/tcp\/\d+\S*$/m);
  expect(up.stdout).toMatch(/^API +http:\/\/127\.0\.0\.1:\d+ {2}token in .*token$/m);
  expect(up.stdout).toMatch(/^Offers +.*count-words/m);
  expect(up.stdout).toContain('easynet call count-words "what can it do"');
  expect(run("call", "count-words", "what can it do", "--json")).toMatchObject({ status: 0 });
  expect(statSync(join(home, "token")).mode & 0o077).toBe(0);
  expect(run("status").stdout).toContain("desk (z6Mk");

  up.child.kill("SIGINT");
  expect(await up.exit).toEqual({ code: 0, signal: null });
  expect(up.stderr).toContain("left the network");
  expect(existsSync(join(home, "run.json"))).toBe(false);
  expect(run("status").status).toBe(8);
});

test("a second up in one folder is refused; down stops the first, which keeps its identity for the next time", async () => {
  const up = start("up", "--json", ...QUIET);
  await up.untilPrinted("\n");
  const first = JSON.parse(up.stdout);
  expect(first).toMatchObject({ networkIsNew: true, peers: [], tokenFile: join(home, "token") });
  expect(run("up", "--json", ...QUIET)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining("NODE_ALREADY_RUNNING"),
  });

  expect(run("down")).toMatchObject({ status: 0, stderr: expect.stringContaining("stopped") });
  expect(await up.exit).toEqual({ code: 0, signal: null });

  const again = start("up", "--json", ...QUIET);
  await again.untilPrinted("\n");
  expect(JSON.parse(again.stdout)).toMatchObject({ networkIsNew: false, status: { did: first.status.did } });
  again.child.kill("SIGTERM");
  expect(await again.exit).toEqual({ code: 0, signal: null });
});

test("Ctrl-C while the node still starts leaves in order too", async () => {
  const up = start("up", "--json", ...QUIET);
  while (!existsSync(join(home, "lock"))) await new Promise((resolve) => setImmediate(resolve));
  up.child.kill("SIGINT");
  expect(await up.exit).toEqual({ code: 0, signal: null });
  expect(existsSync(join(home, "lock"))).toBe(false);
});

test("up --detach returns once the node is ready, and tells why it is not", () => {
  const up = run("up", "--detach", "--name", "behind", ...QUIET);
  expect(up).toMatchObject({ status: 0, stdout: expect.stringContaining("behind (z6Mk") });
  expect(up.stderr).toContain("runs in the background");
  const second = run("up", "--detach", ...QUIET);
  expect(second).toMatchObject({ status: 1, stderr: expect.stringContaining("A node already runs in") });
  expect(run("down", "--json")).toMatchObject({ status: 0, stdout: expect.stringContaining('"stopped":true') });
  expect(readFileSync(join(home, "up.log"), "utf8")).toBe("");
});

test("an old Node.js is refused before anything that needs a new one is loaded", () => {
  const old = 'Object.defineProperty(process.versions, "node", { value: "20.19.2" })';
  const pretend = withImport(old);
  expect(runCommand(pretend, ["status"], home)).toMatchObject({
    status: 1,
    stdout: "",
    stderr: "Node.js 20.19.2 is too old; easynet needs 24.12 or newer. Update Node.js.\n",
  });
});

test("a command that only asks loads neither the mesh, nor the server, nor a schema library", () => {
  const list = `import { registerHooks } from "node:module";
    const urls = [];
    registerHooks({ resolve: (name, context, next) => { const found = next(name, context); urls.push(found.url); return found; } });
    process.on("exit", () => process.stdout.write(urls.join("\\n")));`;
  const listing = withImport(list);
  const { stdout } = runCommand(listing, ["agents"], home);
  expect(stdout).toContain("cli/run-cli.ts");
  expect(stdout).toContain("commander");
  expect(stdout).not.toMatch(/node_modules\/(?!commander|picocolors)|src\/(?!cli\/|kernel\/)/);
});
