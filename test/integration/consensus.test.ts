import { expect, test } from "vitest";
import { ConsensusCluster } from "../support/consensus-cluster.ts";

test("three processes with stores on disk decide together, and go on when the leader is killed", async () => {
  const acknowledged = new Set<string>();
  await using cluster = await ConsensusCluster.start(3, (_index, news) => {
    if (news.kind === "acknowledged") for (const key of news.keys) acknowledged.add(key);
  });
  for (const [index, member] of cluster.members.entries()) {
    await member.ask({ do: "write", prefix: `w/${index}`, outstanding: 4 });
  }
  await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(20);
  const killed = await cluster.leader();
  await cluster.members[killed]?.kill();
  const before = acknowledged.size;
  await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(before + 20);
  await cluster.launch(killed);
  const told = [...acknowledged];
  const kept = new Set(await cluster.members[killed]?.ask({ do: "keys", prefix: "w/" }));
  expect(told.filter((key) => !kept.has(key))).toEqual([]);
}, 90_000);
