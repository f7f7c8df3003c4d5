import { expect, test } from "vitest";
import type { NearbyNode } from "../mesh/index.ts";
import { fakeDid } from "../testing/fake-keys.ts";
import { chooseNearby } from "./nearby.ts";

const node = (number: number, networkTag: string): NearbyNode => ({
  did: fakeDid(number),
  name: `n${number}`,
  addresses: [`/ip4/10.0.0.${number}/tcp/7441`],
  networkTag,
});

test("any node of the only network nearby is asked; none and several are for a person", () => {
  expect(chooseNearby([node(1, "a"), node(2, "a")])).toBe("/ip4/10.0.0.1/tcp/7441");
  expect(() => chooseNearby([])).toThrow(expect.objectContaining({ code: "NOBODY_NEARBY" }));
  expect(() => chooseNearby([node(1, "a"), node(2, "b"), node(3, "b")])).toThrow(
    expect.objectContaining({
      code: "SEVERAL_NEARBY",
      details: { count: 2, choices: "n1 /ip4/10.0.0.1/tcp/7441; n2 /ip4/10.0.0.2/tcp/7441" },
    }),
  );
});
