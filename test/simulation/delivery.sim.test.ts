import { expect, test } from "vitest";
import { chooseUrgent, shareOfLanes } from "./delivery-lanes.ts";
import { DeliveryWorld, type DeliveryWorldOptions } from "./delivery-world.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";
import { verifies } from "../requirements.ts";

verifies("messaging:reliable:delivery");

/** `npm run slow -- delivery-sim` runs 10,000. */
const SEED_COUNT = seedCount(60);

const run = (seed: number, options: Omit<DeliveryWorldOptions, "seed"> = {}): Promise<readonly string[]> =>
  new DeliveryWorld({ seed, ...options }).run();

test(`in ${SEED_COUNT} worlds every accepted message takes effect once and in order, or is one dead letter`, async () => {
  expect(await search(seeds(SEED_COUNT), run)).toEqual([]);
}, 60_000);

// Once found faults: the end of an expired message, and the effect of a recovered one, were not on disk in time.
test("so they do in the worlds that once found a fault", async () => {
  expect(await search([1402181175, 979983022, 2564011903, 2916367675], (seed) => run(seed, { turns: 30 }))).toEqual([]);
}, 60_000);

test.each([
  { profile: "restarts", bug: "reused-sequence", weather: { crashes: 1 }, sign: /is lost|handled after|still owes/ },
  { profile: "power cuts", bug: "early", weather: { crashes: 1, syncMsMax: 200 }, sign: /is lost/ },
  {
    profile: "crashing recipients",
    bug: "forgets-positions",
    weather: { crashes: 1, cuts: 1, lossRatio: 0.2 },
    sign: /took effect after|ended 2 times/,
  },
] as const)(
  "in the profile $profile the planted fault $bug is found",
  async ({ bug, weather, sign }) => {
    expect(await search(seeds(3), (seed) => run(seed, { weather, turns: 40 }))).toEqual([]);
    expect(await firstProblem(seeds(20), (seed) => run(seed, { weather, bug, turns: 40 }), sign)).toBeDefined();
  },
  60_000,
);

test("in the profile of a crowded link every lane gets its share, and the planted fault of a starved lane is found", () => {
  for (const seed of seeds(5)) {
    for (const share of shareOfLanes(seed)) expect(share).toBeGreaterThan(0.8);
    expect(Math.min(...shareOfLanes(seed, chooseUrgent))).toBeLessThan(0.1);
  }
});
