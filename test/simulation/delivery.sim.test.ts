import { expect, test } from "vitest";
import { chooseUrgent, shareOfLanes } from "./delivery-lanes.ts";
import { DeliveryWorld, type DeliveryWorldOptions } from "./delivery-world.ts";
import { verifies } from "../requirements.ts";

verifies("messaging:reliable:delivery");

/** More seeds: EASYNET_SIM_SEEDS=1000; one seed: EASYNET_SIM_SEED=7. `npm run slow -- delivery-sim` runs 10,000. */
const SEED_COUNT = Number(process.env["EASYNET_SIM_SEEDS"] ?? 30);
const ONE_SEED = process.env["EASYNET_SIM_SEED"];

async function search(
  among: readonly number[],
  options: Omit<DeliveryWorldOptions, "seed">,
): Promise<readonly { readonly seed: number; readonly problems: readonly string[] }[]> {
  const found = [];
  for (const seed of among) {
    const problems = await new DeliveryWorld({ seed, ...options }).run();
    if (problems.length > 0) found.push({ seed, problems: problems.slice(0, 10) });
    if (found.length === 3) break;
  }
  return found;
}

function seeds(count: number): readonly number[] {
  return ONE_SEED === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(ONE_SEED)];
}

test(`in ${SEED_COUNT} worlds every accepted message takes effect once and in order, or is one dead letter`, async () => {
  expect(await search(seeds(SEED_COUNT), {})).toEqual([]);
}, 60_000);

// Once found faults: the end of an expired message, and the effect of a recovered one, were not on disk in time.
test("so they do in the worlds that once found a fault", async () => {
  expect(await search([1402181175, 979983022, 2564011903, 2916367675], { turns: 30 })).toEqual([]);
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
    expect(await search(seeds(3), { weather, turns: 40 })).toEqual([]);
    const found = await search(seeds(20), { weather, bug, turns: 40 });
    expect(found.flatMap(({ problems }) => problems).join("\n")).toMatch(sign);
  },
  60_000,
);

test("in the profile of a crowded link every lane gets its share, and the planted fault of a starved lane is found", () => {
  for (const seed of seeds(5)) {
    for (const share of shareOfLanes(seed)) expect(share).toBeGreaterThan(0.8);
    expect(Math.min(...shareOfLanes(seed, chooseUrgent))).toBeLessThan(0.1);
  }
});
