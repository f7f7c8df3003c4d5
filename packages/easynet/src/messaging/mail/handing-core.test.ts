import { expect, test } from "vitest";
import { fakeDid } from "../../testing/index.ts";
import { START } from "../delivery/position.ts";
import { HandingCore, ranked } from "./handing-core.ts";
import { HANDING_COUNT_MAX, HOLDER_AVOIDED_MS, HOLDER_TIMEOUT_MS } from "./limits.ts";

const recipient = fakeDid(1);
const offers = [2, 3, 4].map((number) => fakeDid(number));
const at = (sequence: number, lane = 2) => ({ lane, end: { epoch: 1, sequence } });

test("everybody chooses the same holder for a recipient, and never the recipient", () => {
  const [best] = ranked(recipient, offers);
  expect(ranked(recipient, offers.toReversed())[0]).toBe(best);
  expect(new HandingCore(recipient).choose([...offers, recipient], 0)).toBe(best);
  expect(new HandingCore(recipient).choose([recipient], 0)).toBeUndefined();
});

test("what was handed counts up to the first batch without an answer", () => {
  const core = new HandingCore(recipient);
  core.choose(offers, 0);
  for (const sequence of [1, 2, 3]) core.sent(String(sequence), at(sequence), 0);
  core.onKept("3", 1000, 1);
  expect([core.kept(2), core.reached(2)]).toEqual([START, { epoch: 1, sequence: 3 }]);
  core.onKept("1", 1000, 1);
  expect(core.kept(2)).toEqual({ epoch: 1, sequence: 1 });
  core.onKept("2", 1000, 1);
  expect(core.kept(2)).toEqual({ epoch: 1, sequence: 3 });
});

test("a holder that is silent, refuses or is gone is left, and the next one gets everything", () => {
  const [best, second] = ranked(recipient, offers);
  const core = new HandingCore(recipient);
  core.choose(offers, 0);
  core.sent("1", at(1), 0);
  expect(core.tick(HOLDER_TIMEOUT_MS - 1)).toBe("ok");
  expect(core.tick(HOLDER_TIMEOUT_MS)).toBe("silent");
  core.failed(HOLDER_TIMEOUT_MS);
  expect([core.isIdle, core.reached(2)]).toEqual([true, START]);
  expect(core.choose(offers, HOLDER_TIMEOUT_MS)).toBe(second);
  core.sent("1", at(1), HOLDER_TIMEOUT_MS);
  core.onKept("1", HOLDER_AVOIDED_MS * 10, HOLDER_TIMEOUT_MS);
  core.tick(HOLDER_TIMEOUT_MS + HOLDER_AVOIDED_MS);
  expect(core.choose(offers, HOLDER_TIMEOUT_MS + HOLDER_AVOIDED_MS)).toBe(second);
  expect(core.reached(2)).toEqual({ epoch: 1, sequence: 1 });
  const left = offers.filter((did) => did !== second);
  expect(core.choose(left, HOLDER_TIMEOUT_MS + HOLDER_AVOIDED_MS)).toBe(best);
  expect(core.reached(2)).toEqual(START);
});

test("what a holder may have dropped is handed again, before it does", () => {
  const core = new HandingCore(recipient);
  core.choose(offers, 0);
  core.sent("a", at(1), 0);
  core.onKept("a", 1000, 0);
  core.sent("b", at(2), 0);
  core.onKept("b", 4000, 0);
  core.tick(2999);
  expect(core.reached(2)).toEqual({ epoch: 1, sequence: 2 });
  core.tick(3000);
  expect(core.reached(2)).toEqual(START);
});

test("so many are on their way, no more", () => {
  const core = new HandingCore(recipient);
  expect(core.mayHand).toBe(false);
  core.choose(offers, 0);
  for (let sequence = 1; sequence <= HANDING_COUNT_MAX; sequence++) core.sent(String(sequence), at(sequence), 0);
  expect(core.mayHand).toBe(false);
  core.onKept("1", 1000, 0);
  expect(core.mayHand).toBe(true);
});
