import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILT_COMMAND, CommandProcess, QUIET, runCommand } from "../integration/up-process.ts";

let home: string;
let up: CommandProcess;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "easynet-e2e-"));
  up = new CommandProcess(BUILT_COMMAND, ["up", "--name", "built", ...QUIET], home);
  await up.untilPrinted("Try it");
});
afterAll(() => {
  up.child.kill("SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

const run = (...args: string[]): ReturnType<typeof runCommand> => runCommand(BUILT_COMMAND, args, home);

describe("the built command against a node of its own", () => {
  test("shows the node and what it offers", () => {
    expect(run("status", "--json")).toMatchObject({ status: 0, stdout: expect.stringContaining('"name":"built"') });
    expect(run("agents", "--can", "echo").stdout).toMatch(/^built-in@built +built +echo /m);
    expect(run("peers")).toMatchObject({ status: 0, stdout: "" });
  });

  test("calls a function of the node, in both languages", () => {
    expect(run("call", "count-words", "three small words")).toMatchObject({ status: 0, stdout: "3\n" });
    expect(run("call", "echo", '{"a":[1,"二"]}')).toMatchObject({ status: 0, stdout: '{"a":[1,"二"]}\n' });
    expect(run("call", "count-words", "42", "--lang", "zh")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("错误"),
    });
    expect(run("call", "fly").status).toBe(3);
  });

  test("stops the node, which leaves in order", async () => {
    expect(run("down").status).toBe(0);
    expect(await up.exit).toEqual({ code: 0, signal: null });
    expect(run("status").status).toBe(8);
  });
});
