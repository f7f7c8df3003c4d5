import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../slow/store-kill.ts";

const quiet = (): void => undefined;

describe("kill -9 of a process that commits", () => {
  test("loses nothing that was acknowledged, tears nothing, and the file opens", { timeout: 60_000 }, async () => {
    const outcome = await run({ cases: 5, seed: 1, onProgress: quiet });
    expect(outcome.failures).toEqual([]);
    expect(outcome.figures).toMatchObject({ kills: 5, missing: 0, reopenFailures: 0 });
    expect(outcome.figures?.["acknowledged"]).toBeGreaterThan(100);
  });

  test("a store that acknowledges too early would be found out", { timeout: 60_000 }, async () => {
    const outcome = await run({ cases: 4, seed: 1, onProgress: quiet }, ["early"]);
    expect(outcome.figures?.["missing"]).toBeGreaterThan(0);
    expect(outcome.failures).not.toEqual([]);
  });
});

describe("the slow lane", () => {
  const start = (...args: readonly string[]): string =>
    execFileSync(process.execPath, [join(import.meta.dirname, "../slow/run.ts"), ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });

  test("lists what it has when it is given no name", () => {
    expect(start().split("\n")).toEqual(expect.arrayContaining(["store-kill", "store-powercut"]));
  });

  test("ends with one line of JSON that says what was run, where and on which commit", { timeout: 60_000 }, () => {
    const line: unknown = JSON.parse(start("store-kill", "--count", "1", "--seed", "7", "--json", "--no-record"));
    expect(line).toMatchObject({
      name: "store-kill",
      cases: 1,
      kills: 1,
      seed: 7,
      failureCount: 0,
      cores: expect.any(Number),
    });
  });
});
