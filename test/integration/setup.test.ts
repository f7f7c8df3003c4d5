import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ROOT } from "../source-files.ts";

/** A clone in miniature: the real script, a lock file with one package, and an npm that does what a test says. */
let clone: string;

beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), "easynet-setup-"));
  await put("package-lock.json", lock("1.0.0"));
  await mkdir(join(clone, "scripts"), { recursive: true });
  await cp(join(ROOT, "scripts", "setup.mjs"), join(clone, "scripts", "setup.mjs"));
  await put("bench/echo.bench.ts", "console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7;");
});

afterEach(async () => {
  await rm(clone, { recursive: true, force: true });
});

function lock(version: string): string {
  return JSON.stringify({ packages: { "": {}, "node_modules/a": { version }, "node_modules/b": { optional: true } } });
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(clone, path)), { recursive: true });
  await writeFile(join(clone, path), text);
}

/** An npm whose `ci` fails `failureCount` times and then installs what the lock file names. */
async function putNpm(failureCount: number): Promise<string> {
  await put(
    "npm-cli.js",
    `const fs = require("node:fs");
     const calls = (fs.existsSync("calls") ? Number(fs.readFileSync("calls")) : 0) + 1;
     fs.writeFileSync("calls", String(calls));
     if (process.argv[2] !== "ci") process.exit(9);
     if (calls <= ${failureCount}) { console.error("the registry is away"); process.exit(1); }
     fs.mkdirSync("node_modules", { recursive: true });
     fs.copyFileSync("package-lock.json", "node_modules/.package-lock.json");`,
  );
  return join(clone, "npm-cli.js");
}

function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  const script = join(clone, "scripts", "setup.mjs");
  return spawn(process.execPath, [script, ...args], { cwd: clone, env: { ...process.env, ...env } });
}

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const child = start(args, env);
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  await once(child, "close");
  return { code: child.exitCode, output };
}

async function installedByHand(): Promise<void> {
  await put("node_modules/.package-lock.json", lock("1.0.0"));
}

describe("scripts/setup.mjs", () => {
  test("installs on a fresh clone, says so once, and does not install again", async () => {
    const env = { npm_execpath: await putNpm(0) };
    const first = await run(["bench", "echo", "a", "--b=c"], env);
    expect(first.output).toMatch(/^Installing dependencies .*\nInstalled in [\d.]+ s\.\n\["a","--b=c"\]\n$/);
    const second = await run(["bench", "echo"], env);
    expect(second.output).toBe("[]\n");
    expect(await readFile(join(clone, "calls"), "utf8")).toBe("1");
  });

  test("passes the exit code of the task on", async () => {
    await installedByHand();
    expect((await run(["bench", "echo"])).code).toBe(7);
  });

  test("tries a failed installation once more", async () => {
    const { code, output } = await run(["bench", "echo"], { npm_execpath: await putNpm(1) });
    expect(output).toContain("the registry is away");
    expect(output).toContain("Trying again");
    expect(code).toBe(7);
  });

  test("gives up after the second failure, with what npm said and what to check", async () => {
    const { code, output } = await run(["bench", "echo"], { npm_execpath: await putNpm(2) });
    expect(code).toBe(1);
    expect(output).toContain("the registry is away");
    expect(output).toContain("Check the network");
    expect(await readFile(join(clone, "calls"), "utf8")).toBe("2");
  });

  test("accepts what somebody installed by hand, and installs when the lock file changed since", async () => {
    await installedByHand();
    const npm = { npm_execpath: await putNpm(0) };
    expect((await run(["bench", "echo"], npm)).output).toBe("[]\n");
    await put("package-lock.json", lock("2.0.0"));
    expect((await run(["bench", "echo"], npm)).output).toContain("Installed in");
    expect(await readFile(join(clone, "calls"), "utf8")).toBe("1");
  });

  test("refuses a task and a program that do not exist, and names those that do", async () => {
    await installedByHand();
    const task = await run(["dance"]);
    expect(task.code).toBe(2);
    expect(task.output).toContain("demo|up|test|check|build|bench|suites|slow|e2e");
    const program = await run(["bench", "nothing"]);
    expect(program.code).toBe(2);
    expect(program.output).toContain("npm run bench -- echo");
  });

  test("runs every suite although one fails, and fails at the end with the counts", async () => {
    await installedByHand();
    await put("suites/one.suite.ts", "process.exitCode = 1;");
    await put("suites/two.suite.ts", 'console.log("two ran");');
    const { code, output } = await run(["suites"]);
    expect(code).toBe(1);
    expect(output).toContain("two ran");
    expect(output).toContain("suites: 1 passed, 1 failed");
    expect((await run(["suites", "two"])).code).toBe(0);
  });

  test.skipIf(process.platform === "win32")("hands signals on and reports the one that ended the task", async () => {
    await installedByHand();
    await put(
      "bench/wait.bench.ts",
      'process.on("SIGINT", () => process.exit(42)); console.log("up"); setInterval(() => 0, 1e6);',
    );
    for (const [signal, code] of [
      ["SIGINT", 42],
      ["SIGTERM", 128 + constants.signals.SIGTERM],
    ] as const) {
      const child = start(["bench", "wait"]);
      if (child.stdout) await once(child.stdout, "data");
      child.kill(signal);
      await once(child, "close");
      expect(child.exitCode).toBe(code);
    }
  });
});
