import { describe, expect, test } from "vitest";
import { ConsensusWorld } from "../../testing/consensus-world.ts";
import { criticalContract } from "../../testing/contracts/critical.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a group of three nodes", () => {
  test.for(criticalContract)("$name", async ({ run }) => {
    const open = async () => {
      const world = await ConsensusWorld.grown(3);
      const leader = world.leader();
      const store = world.at(leader).consensus.store();
      const other = world.at((leader + 1) % 3).consensus.store();
      const pass = async (durationMs: number): Promise<void> => world.pass(durationMs);
      current = pass;
      return { store, other, [Symbol.asyncDispose]: async () => world.stop() };
    };
    let current = async (_durationMs: number): Promise<void> => Promise.resolve();
    await expect(run({ open, pass: async (durationMs) => current(durationMs) })).resolves.toBeUndefined();
  });
});

describe("a group", () => {
  test("begins with one voter, grows to three and to five, and every node can use it", async () => {
    const world = new ConsensusWorld();
    const sizes: number[] = [];
    for (let index = 0; index < 7; index++) {
      await world.start(index);
      await world.pass(20_000);
      sizes.push(world.voters(0));
      await world.run(world.at(index).consensus.store().put(`by/${index}`, bytes("1")));
    }
    expect(sizes).toEqual([1, 1, 3, 3, 5, 5, 5]);
    expect(world.report(6).role).toBe("client");
    await expect(world.run(world.at(6).consensus.store().list("by/"))).resolves.toHaveLength(7);
    await world.stop();
  });

  test("loses nothing that was acknowledged when its leader dies, and the old one comes back as a follower", async () => {
    const world = await ConsensusWorld.grown(3);
    const store = world.at((world.leader() + 1) % 3).consensus.store();
    const acknowledged: string[] = [];
    for (let round = 0; round < 4; round++) {
      const dying = world.leader();
      const writes = Array.from({ length: 20 }, async (_, index) => {
        const key = `k/${round}/${index}`;
        await (index % 2 ? store : world.at((dying + 1) % 3).consensus.store()).put(key, bytes(key));
        acknowledged.push(key);
      });
      const crashed = world.crash(dying);
      const ended = world.run(Promise.allSettled(writes));
      await Promise.all([crashed, ended]);
      await world.pass(3000);
      expect(world.leader()).not.toBe(dying);
      await world.start(dying);
      await world.pass(3000);
    }
    const reader = world.at(world.leader()).consensus.store();
    const kept = (await world.run(reader.list("k/"))).map(({ key }) => key);
    expect(acknowledged.length).toBeGreaterThan(40);
    expect(acknowledged.filter((key) => !kept.includes(key))).toEqual([]);
    await world.stop();
  });

  test("the smaller side of a partition is refused at once and says who is where; healing brings it up to date", async () => {
    const world = await ConsensusWorld.grown(3);
    const leader = world.leader();
    const [alone, others] = [world.at(leader), [0, 1, 2].filter((index) => index !== leader)];
    world.network.partition((from, to) => (from === alone.did) === (to === alone.did));
    await world.pass(3000);
    const before = world.clock.monotonicMs();
    await expect(alone.consensus.store().put("a", bytes("1"))).rejects.toMatchObject({ code: "NO_MAJORITY" });
    await expect(alone.consensus.store().get("a")).rejects.toMatchObject({ code: "NO_MAJORITY" });
    expect(world.clock.monotonicMs()).toBe(before);
    expect(alone.events.findLast(({ type }) => type === "partition")).toMatchObject({
      here: [alone.did],
      there: others.map((index) => world.at(index).did),
      hasMajority: false,
    });
    const elsewhere = world.at(others[0] ?? 0).consensus.store();
    await world.run(elsewhere.put("a", bytes("2")));
    world.network.heal();
    await world.pass(3000);
    await expect(world.run(alone.consensus.store().get("a"))).resolves.toMatchObject({ value: bytes("2") });
    expect(alone.events.findLast(({ type }) => type === "partition")).toMatchObject({ there: [], hasMajority: true });
    await world.stop();
  });

  test("a majority that is lost stays lost until an operator makes the group anew, and who comes back gives up what it has", async () => {
    const world = await ConsensusWorld.grown(3);
    await world.run(world.at(0).consensus.store().put("kept", bytes("1")));
    const lease = await world.run(
      world.at(0).consensus.store().acquire({ resource: "r", owner: "anna", ttlMs: 3_600_000 }),
    );
    const survivor = (world.leader() + 1) % 3;
    const dead = [0, 1, 2].filter((index) => index !== survivor);
    const { consensus } = world.at(survivor);
    await expect(consensus.force("main")).rejects.toMatchObject({ code: "MEMBERS_UNCHANGED" });
    for (const index of dead) await world.crash(index);
    await world.pass(60_000);
    expect(world.voters(survivor)).toBe(3);
    await expect(consensus.store().put("a", bytes("1"))).rejects.toMatchObject({ code: "NO_MAJORITY" });
    await consensus.force("main");
    await world.pass(2000);
    await expect(world.run(consensus.store().get("kept"))).resolves.toMatchObject({ value: bytes("1") });
    const again = await world.run(consensus.store().acquire({ resource: "r", owner: "anna", ttlMs: 3_600_000 }));
    expect(again.granted && lease.granted && again.lease.token > lease.lease.token + 1000).toBe(true);
    for (const index of dead) await world.start(index);
    await world.pass(40_000);
    expect(world.voters(survivor)).toBe(3);
    expect(dead.map((index) => world.report(index).generation)).toEqual(
      dead.map(() => world.report(survivor).generation),
    );
    await expect(
      world.run(
        world
          .at(dead[0] ?? 0)
          .consensus.store()
          .get("kept"),
      ),
    ).resolves.toBeDefined();
    await world.stop();
  });

  test("a voter that lost its disk does not come back as who it was: it joins anew and takes its own place", async () => {
    const world = await ConsensusWorld.grown(3);
    const victim = (world.leader() + 1) % 3;
    const oldId = world.report(0).members.find(({ did }) => did === world.at(victim).did)?.id;
    await world.crash(victim);
    world.wipe(victim);
    await world.start(victim);
    await world.pass(30_000);
    const members = world.report(world.leader()).members;
    expect(members.map(({ vote }) => vote)).toEqual(["voter", "voter", "voter"]);
    expect(members.map(({ id }) => id)).not.toContain(oldId);
    expect(members.map(({ did }) => did)).toContain(world.at(victim).did);
    await world.stop();
  });

  test("hands its lead over to the voter that is named", async () => {
    const world = await ConsensusWorld.grown(3);
    const next = (world.leader() + 1) % 3;
    const { consensus } = world.at(world.leader());
    await consensus.transfer("main", world.at(next).did);
    await world.pass(1000);
    expect(world.leader()).toBe(next);
    await expect(consensus.transfer("main", world.at(0).did)).rejects.toMatchObject({ code: "MEMBERS_UNCHANGED" });
    await world.stop();
  });

  test("several groups live beside each other, with their own facts", async () => {
    const world = await ConsensusWorld.grown(3);
    await world.run(Promise.all([world.at(1).consensus.found("jobs"), world.at(2).consensus.found("jobs")]));
    await world.pass(10_000);
    await world.run(world.at(0).consensus.store("jobs").put("a", bytes("jobs")));
    await world.run(world.at(0).consensus.store().put("a", bytes("main")));
    await expect(world.run(world.at(2).consensus.store("jobs").get("a"))).resolves.toMatchObject({
      value: bytes("jobs"),
    });
    await expect(world.run(world.at(2).consensus.store().get("a"))).resolves.toMatchObject({ value: bytes("main") });
    const founders = [1, 2].filter((index) =>
      world
        .at(index)
        .consensus.reports()
        .some(({ group, role }) => group === "jobs" && role === "leader"),
    );
    expect(founders).toHaveLength(1);
    await world.stop();
  });

  test("folds its log into a snapshot, and one that was away gets it in pieces", async () => {
    const world = await ConsensusWorld.grown(3);
    const away = (world.leader() + 1) % 3;
    await world.crash(away);
    const store = world.at(world.leader()).consensus.store();
    const large = new Uint8Array(200 * 1024).fill(5);
    for (let index = 0; index < 120; index++) await world.run(store.put(`large/${index % 5}`, large));
    expect(world.at(world.leader()).store.list("raft-log/main").length).toBeLessThan(110);
    await world.start(away);
    await world.pass(5000);
    expect(world.report(away).appliedIndex).toBe(world.report(world.leader()).appliedIndex);
    await world.crash(away);
    await world.start(away);
    await world.pass(5000);
    expect(world.report(away).appliedIndex).toBe(world.report(world.leader()).appliedIndex);
    await world.stop();
  });
});
