import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { verifies } from "../requirements.ts";
import { BUILT_COMMAND, CommandProcess, QUIET, runCommand } from "../integration/up-process.ts";

const folder = mkdtempSync(join(tmpdir(), "easynet-e2e-join-"));
const running: CommandProcess[] = [];

afterAll(() => {
  for (const { child } of running) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

verifies("mesh:p2p:join", "mesh:p2p:no-centre");

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

test("hub-less: the two of five that were started first are killed, a sixth is let in by one of the others", async () => {
  const processes = new Map([["n1", await start("n1", "up")]]);
  // Nobody but n2 was let in by the machine that made the network.
  for (const [name, from] of [
    ["n2", "n1"],
    ["n3", "n2"],
    ["n4", "n3"],
    ["n5", "n2"],
  ] as const) {
    processes.set(name, await start(name, "join", codeFrom(from)));
  }
  for (const name of ["n1", "n2"]) processes.get(name)?.child.kill("SIGKILL");
  const sixth = await start("n6", "join", codeFrom("n4"));
  expect(sixth.stdout).toMatch(/^joined "home" · n[345] is /);

  const offering = (): readonly string[] => {
    const { stdout } = run("n6", "agents", "--can", "count-words", "--json");
    return ["n3", "n4", "n5", "n6"].filter((name) => stdout.includes(`built-in@${name}`));
  };
  const endMs = performance.now() + 90_000;
  while (offering().length < 4) expect(performance.now()).toBeLessThan(endMs);
  for (const target of ["n3", "n4", "n5"]) {
    const called = run("n6", "call", "count-words", "one two three", "--target", target);
    expect(called).toMatchObject({ status: 0, stdout: "3\n" });
  }
  expect(run("n3", "call", "echo", "welcome", "--target", "n6").stdout).toBe("welcome\n");
  // And the sixth lets in a seventh, whom n5 calls.
  await start("n7", "join", codeFrom("n6"));
  while (run("n5", "call", "echo", "hello", "--target", "n7").status !== 0) {
    expect(performance.now()).toBeLessThan(endMs);
  }
}, 180_000);

function codeFrom(name: string): string {
  return run(name, "invite").stdout.trim().replace("easynet join ", "");
}
