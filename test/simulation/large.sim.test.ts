import { afterEach, expect, test } from "vitest";
import { LargeWorld } from "./large-world.ts";

/** Small enough for every run; `npm run slow -- large-network` does the same with 300 and with 1,000 nodes. */
const SIZE = { nodeCount: 60, fullMeshCountMax: 20 };
/** Six of its own choice, and about as many that chose it; a random graph has some with more. */
const LINKS_COUNT_MAX = 24;

let world: LargeWorld;

afterEach(() => world.end());

test("a network of more nodes than links knows itself, survives the death of three in ten, and talks", async () => {
  world = new LargeWorld({ seed: 1, ...SIZE });
  await world.grow();
  expect(await world.passUntil(() => world.agreed, 30_000)).toBeLessThan(30_000);
  await world.rest();
  expect(world.connected).toBe(true);
  expect(Math.max(...world.linkCounts)).toBeLessThanOrEqual(LINKS_COUNT_MAX);
  expect(await world.broadcast(5000)).toBeLessThan(5000);

  expect(world.kill(0.3)).toBeGreaterThan(10);
  expect(await world.passUntil(() => world.connected, 5000)).toBeLessThan(5000);
  expect(await world.broadcast(5000)).toBeLessThan(5000);
  expect(await world.passUntil(() => world.agreed, 30_000)).toBeLessThan(30_000);

  for (let count = 0; count < 20; count++) expect(await world.talk()).toBe(true);
  await world.rest();
  expect(Math.max(...world.linkCounts)).toBeLessThanOrEqual(LINKS_COUNT_MAX);
  expect(world.agreed).toBe(true);
});
