import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { BUILT_COMMAND, CommandProcess, QUIET, runCommand } from "../integration/up-process.ts";

const folder = mkdtempSync(join(tmpdir(), "easynet-e2e-join-"));
const running: CommandProcess[] = [];

afterAll(() => {
  for (const { child } of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const run = (name: string, ...args: string[]): ReturnType<typeof runCommand> =>
  runCommand(BUILT_COMMAND, args, join(folder, name));

async function start(name: string, ...args: string[]): Promise<CommandProcess> {
  const started = new CommandProcess(BUILT_COMMAND, [...args, "--name", name, ...QUIET], join(folder, name));
  running.push(started);
  await started.untilPrinted("Try it");
  return started;
}

test("a second and a third machine join by codes; without the first the others still call one another", async () => {
  const amber = await start("amber", "up");
  for (const name of ["cobalt", "jade"]) {
    const code = run("amber", "invite").stdout.trim().replace("easynet join ", "");
    expect((await start(name, "join", code)).stdout).toMatch(/^joined "home" · /);
    expect(run("thief", "join", code, ...QUIET).status).toBe(4);
  }
  amber.child.kill("SIGKILL");
  const endMs = performance.now() + 20_000;
  const called = (): number | null =>
    run("jade", "call", "count-words", "a b", "--target", "cobalt", "--timeout", "3s").status;
  while (called() !== 0) expect(performance.now()).toBeLessThan(endMs);
  expect(run("jade", "leave").status).toBe(0);
}, 60_000);
