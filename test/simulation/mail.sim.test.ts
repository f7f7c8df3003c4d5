import { expect, test } from "vitest";
import { MailWorld, type MailWorldOptions } from "./mail-world.ts";
import { firstProblem, search, seedCount, seeds } from "./seeds.ts";
import { QUICK } from "../quick.ts";
import { verifies } from "../requirements.ts";

verifies("messaging:reliable:delivery");

/** `npm run slow -- mail-sim` runs 5,000. */
const SEED_COUNT = seedCount(30);

const run = (seed: number, options: Omit<MailWorldOptions, "seed"> = {}): Promise<readonly string[]> =>
  new MailWorld({ seed, ...options }).run();

test(`in ${SEED_COUNT} worlds what a holder promised to keep takes effect once and in order, with and without the sender`, async () => {
  let promised = 0;
  const watched = async (seed: number): Promise<readonly string[]> => {
    const world = new MailWorld({ seed });
    const problems = await world.run();
    promised += world.counts.promised;
    return problems;
  };
  expect(await search(seeds(SEED_COUNT), watched)).toEqual([]);
  // Else the worlds prove nothing: nobody held anything in them.
  expect(promised).toBeGreaterThan(0);
}, 120_000);

test.skipIf(QUICK).each([
  { bug: "early-holder", syncMsMax: 20_000, sign: /is lost/ },
  { bug: "early-recipient", syncMsMax: 4000, sign: /is lost/ },
  { bug: "forgetful-recipient", syncMsMax: 10, sign: /took effect/ },
] as const)(
  "the planted fault $bug is found",
  async ({ bug, sign, syncMsMax }) => {
    const options = { senderDies: true, crashes: 0.4, syncMsMax };
    expect(await search(seeds(5), (seed) => run(seed, options))).toEqual([]);
    expect(await firstProblem(seeds(30), (seed) => run(seed, { ...options, bug }), sign)).toBeDefined();
  },
  120_000,
);
