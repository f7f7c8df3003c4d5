import { expect, test } from "vitest";
import { fakeDid } from "../testing/index.ts";
import { LINK_IDLE_MS, LINKS_KEPT_COUNT_MAX, LinkUse } from "./link-use-core.ts";

const dids = Array.from({ length: LINKS_KEPT_COUNT_MAX + 10 }, (_, index) => fakeDid(index));
const [one = fakeDid(0), other = fakeDid(1)] = dids;

test("a link that is neither kept nor in use ends after a minute without use", () => {
  const use = new LinkUse();
  const link = { did: one, kept: false, inUse: false };
  use.used(one, 1000);
  expect(use.trim([link], 1000 + LINK_IDLE_MS - 1)).toEqual([]);
  expect(use.trim([link], 1000 + LINK_IDLE_MS)).toEqual([one]);
});

test("what is kept or in use never ends, and use counts from its last sight", () => {
  const use = new LinkUse();
  const links = [
    { did: one, kept: true, inUse: false },
    { did: other, kept: false, inUse: true },
  ];
  expect(use.trim(links, 0)).toEqual([]);
  expect(use.trim(links, 10 * LINK_IDLE_MS)).toEqual([]);
  const idle = [{ did: other, kept: false, inUse: false }];
  expect(use.trim(idle, 11 * LINK_IDLE_MS - 1)).toEqual([]);
  expect(use.trim(idle, 11 * LINK_IDLE_MS)).toEqual([other]);
});

test("a link that came anew has its minute", () => {
  const use = new LinkUse();
  const link = { did: one, kept: false, inUse: false };
  use.trim([link], 0);
  use.trim([], 1000);
  expect(use.trim([link], 2 * LINK_IDLE_MS)).toEqual([]);
});

test("with too many links the ones unused for longest end first", () => {
  const use = new LinkUse();
  for (const [index, did] of dids.entries()) use.used(did, 1000 - index);
  const links = dids.map((did) => ({ did, kept: false, inUse: did === dids.at(-1) }));
  expect(use.trim(links, 2000)).toEqual(dids.slice(-11, -1).toReversed());
});
