import { expect, test } from "vitest";
import { QUICK } from "../quick.ts";
import { firstProblem, seedCount, seeds } from "./seeds.ts";
import { type PlantedBug, TasksWorld } from "./tasks-world.ts";

test.each(seeds(seedCount(12)))(
  "seed %i: accepted tasks end once, are told in one way, and effects are not repeated",
  async (seed) => {
    const simulation = new TasksWorld(seed);
    expect(await simulation.run()).toEqual([]);
    expect(simulation.world.runs.length).toBeGreaterThan(10);
  },
);

/** What is found when a bug is planted, at the first seed that finds something like `pattern`. */
async function found(bug: PlantedBug, pattern: RegExp): Promise<string | undefined> {
  return firstProblem(seeds(12), (seed) => new TasksWorld(seed, bug).run(), pattern);
}

test.skipIf(QUICK)("an end that is told before it is on disk is found", async () => {
  expect(await found("final-before-stored", /ended in 2 ways/)).toBeDefined();
});

test.skipIf(QUICK)("event numbers that are given twice after a restart are found", async () => {
  expect(await found("number-reused", /told in two ways/)).toBeDefined();
});

test.skipIf(QUICK)("work with effects that goes to a second provider is found", async () => {
  expect(await found("run-twice", /was begun \d+ times/)).toBeDefined();
});
