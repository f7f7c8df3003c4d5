/**
 * Networks of 300 and of 1,000 nodes in simulation (test/simulation/large-world.ts): each grows from single nodes, rests,
 * loses three in ten nodes at once, and makes nodes talk that hold no link. `--count 1` runs the smaller one only.
 */
import { LargeWorld } from "../simulation/large-world.ts";
import type { SlowOptions, SlowOutcome, SlowPlan } from "./support/slow-item.ts";

const SIZES = [300, 1000] as const;

export const plan: SlowPlan = { cases: SIZES.length, batchCases: SIZES.length, issue: "03-mesh" };

/** That of the product. */
const FULL_MESH_COUNT_MAX = 200;
const WAIT_MS = 120_000;
const QUIET_MS = 20_000;
const TALKS_COUNT = 50;
/** Own choice and choice of others: 10 and about 10 of 1,000; by chance some have twice as many. */
const LINKS_COUNT_MAX = 45;

export async function run({ cases, seed, onProgress }: SlowOptions): Promise<SlowOutcome> {
  const failures: string[] = [];
  const figures: Record<string, number> = {};
  for (const [index, nodeCount] of SIZES.slice(0, cases).entries()) {
    const world = new LargeWorld({ seed: seed + index, nodeCount, fullMeshCountMax: FULL_MESH_COUNT_MAX });
    const found = await live(world);
    for (const [name, value] of Object.entries(found.figures)) figures[`${name}${nodeCount}`] = value;
    failures.push(...found.failures.map((failure) => `${nodeCount} nodes: ${failure}`));
    onProgress(index + 1);
  }
  return { cases, failures, figures };
}

async function live(world: LargeWorld): Promise<Pick<Required<SlowOutcome>, "failures" | "figures">> {
  const startedAtMs = performance.now();
  await world.grow();
  const agreedMs = await world.passUntil(() => world.agreed, WAIT_MS);
  const growthBytesPerNode = Math.round(world.bytes / world.nodeCount);
  await world.rest();
  world.bytes = 0;
  await world.pass(QUIET_MS);
  const quietBytesPerNodeAndSecond = Math.round((world.bytes / world.nodeCount / QUIET_MS) * 1000);
  const { linkCounts, connected } = world;
  const broadcastMs = await world.broadcast(10_000);
  world.kill(0.3);
  const connectedAfterDeathsMs = await world.passUntil(() => world.connected, WAIT_MS);
  const broadcastAfterDeathsMs = await world.broadcast(10_000);
  const agreedAfterDeathsMs = await world.passUntil(() => world.agreed, WAIT_MS);
  let talksCount = 0;
  for (let count = 0; count < TALKS_COUNT; count++) talksCount += Number(await world.talk());
  await world.rest();
  const linksCountMax = Math.max(...linkCounts, ...world.linkCounts);
  const figures = {
    agreedMs,
    growthBytesPerNode,
    quietBytesPerNodeAndSecond,
    linksCountMax,
    linksCountMean: linkCounts.reduce((sum, count) => sum + count, 0) / linkCounts.length,
    broadcastMs,
    connectedAfterDeathsMs,
    broadcastAfterDeathsMs,
    agreedAfterDeathsMs,
    talksCount,
    wallS: Math.round((performance.now() - startedAtMs) / 1000),
    rssMB: Math.round(process.memoryUsage().rss / 1e6),
  };
  const claims = {
    "the directories agree after the growth": Number.isFinite(agreedMs),
    "the links connect all": connected && world.connected,
    "the links stay few": linksCountMax <= LINKS_COUNT_MAX,
    "a broadcast reaches all": Number.isFinite(broadcastMs) && Number.isFinite(broadcastAfterDeathsMs),
    "the links connect all who survived": Number.isFinite(connectedAfterDeathsMs),
    "the directories agree after the deaths": Number.isFinite(agreedAfterDeathsMs),
    "any two can talk": talksCount === TALKS_COUNT,
    "nobody is lost at the end": world.agreed,
  };
  world.end();
  return { figures, failures: Object.entries(claims).flatMap(([claim, holds]) => (holds ? [] : [`not so: ${claim}`])) };
}
