import { afterEach, describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { MeshWorld } from "../testing/mesh-world.ts";

verifies("mesh:topology:adapt");

let world = new MeshWorld();

afterEach(async () => {
  await world.stop();
});

describe("a peer whose addresses swallow dials", () => {
  test("is reached by a detour within a second", async () => {
    world = new MeshWorld({ latencyMs: { min: 1, max: 1 } });
    const [other, silent] = [await world.node("other"), await world.node("silent")];
    const one = await world.node("one", { detours: () => [world.addressOf(other)] });
    world.network.partition([one.did], [silent.did]);
    one.mesh.learn(other.did, [`/memory/${silent.port}`, `/memory/${silent.port}/p2p/${other.did}`]);
    await world.clock.advanceAsync(400);
    expect(one.mesh.peer(other.did)).toBeUndefined();
    await world.clock.advanceAsync(300);
    expect(one.mesh.peer(other.did)).toBeDefined();
    await world.clock.advanceAsync(30_000);
    expect(one.events).toEqual(["joined other"]);
  });
});

describe("a machine whose network changed", () => {
  test("drops the links of the address that is gone and has them again at once", async () => {
    world = new MeshWorld();
    const [one, other] = await world.pair();
    one.mesh.networkChanged({ gone: [`memory-${one.port}`] });
    expect(one.events.at(-1)).toBe("left other: this machine lost its address");
    await world.clock.advanceAsync(1000);
    expect(one.mesh.peer(other.did)).toBeDefined();
    expect(other.mesh.peer(one.did)).toBeDefined();
  });

  test("asks the other links whether they live: a living one stays", async () => {
    world = new MeshWorld();
    const [one, other] = await world.pair();
    one.mesh.networkChanged({ gone: ["192.0.2.1"] });
    await world.clock.advanceAsync(3000);
    expect([one.events, other.events]).toEqual([["joined other"], ["joined one"]]);
  });

  test("a link whose other end is out of reach ends within a second and a half", async () => {
    world = new MeshWorld();
    const [one, other] = await world.pair();
    world.network.partition([one.did], [other.did]);
    one.mesh.networkChanged({ gone: [] });
    await world.clock.advanceAsync(1500);
    expect(one.mesh.peer(other.did)).toBeUndefined();
  });

  test("dials at once whom it gave up for a while", async () => {
    world = new MeshWorld({ mesh: { config: { redialFreshCapMs: 30_000 } } });
    const [one, other] = await world.pair();
    world.network.partition([one.did], [other.did]);
    await world.clock.advanceAsync(120_000);
    expect(one.mesh.peer(other.did)).toBeUndefined();
    world.network.heal();
    one.mesh.networkChanged({ gone: [] });
    await world.clock.advanceAsync(1000);
    expect(one.mesh.peer(other.did)).toBeDefined();
  });
});
