import { describe, expect, test } from "vitest";
import { verifies } from "../requirements.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";
import { type StateFault, type StateProfile, StateWorld } from "./state-world.ts";

verifies("state:merge:crdt", "state:partition:safe");

const FEW: StateProfile = {
  nodes: 4,
  stormMs: 8_000,
  partitions: true,
  restarts: true,
  losesPushes: true,
  fault: "none",
};

function run(profile: StateProfile): (seed: number) => Promise<readonly string[]> {
  return (seed) => new StateWorld(seed, profile).run();
}

describe("nodes that share state", () => {
  test("agree and keep every confirmed write through partitions, power cuts and lost pushes", async () => {
    expect(await search(seeds(seedCount(4)), run(FEW))).toEqual([]);
  }, 120_000);

  test("do so when there are 50 of them", async () => {
    expect(await search(seeds(seedCount(1)), run({ ...FEW, nodes: 50, stormMs: 3_000 }))).toEqual([]);
  }, 240_000);
});

describe("the checks find planted bugs", () => {
  const faults: readonly (readonly [StateFault, RegExp])[] = [
    ["no-repair", /diverged/],
    ["vector-without-entries", /lost|diverged/],
    ["write-not-kept", /lost/],
  ];
  test.each(faults)(
    "%s",
    async (fault, sign) => {
      const profile = { ...FEW, nodes: 3, fault };
      expect(await firstProblem(seeds(6), run(profile), sign)).toMatch(sign);
    },
    120_000,
  );
});
