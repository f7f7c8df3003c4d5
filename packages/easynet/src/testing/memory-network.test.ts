import { describe, expect, test } from "vitest";
import { generateKeyPair } from "../identity/index.ts";
import { seededRandom, systemClock } from "../kernel/index.ts";
import type { FabricConnection, LaneStream } from "../mesh/index.ts";
import { fabricContract, type FabricHarness } from "./contracts/fabric.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { VirtualClock } from "./virtual-clock.ts";

function harness(): FabricHarness {
  const network = new MemoryNetwork({ clock: systemClock, random: seededRandom(7) });
  return {
    open: (keyPair) => network.fabric(keyPair),
    deadAddress: "/memory/999999",
    withKey: (address, did) => address.replace(/did:key:\w+$/, did),
  };
}

describe("the in-memory twin", () => {
  test.for(fabricContract)("$name", async (each) => {
    await expect(each.run(harness())).resolves.toBeUndefined();
  });
});

interface Wire {
  readonly clock: VirtualClock;
  readonly network: MemoryNetwork;
  readonly near: FabricConnection;
  readonly far: FabricConnection;
  readonly lane: LaneStream;
  readonly received: number[];
  readonly closed: string[];
}

/** Two fabrics with a lane between them on a virtual clock. */
async function wire(): Promise<Wire> {
  const clock = new VirtualClock();
  const network = new MemoryNetwork({ clock, random: seededRandom(1), latencyMs: { min: 5, max: 10 } });
  const one = network.fabric(generateKeyPair());
  const other = network.fabric(generateKeyPair());
  await one.start();
  await other.start();
  const accepted: FabricConnection[] = [];
  other.onConnection((connection) => accepted.push(connection));
  const [address = ""] = other.addresses();
  const dial = one.dial(address);
  await clock.advanceAsync(100);
  const near = await dial;
  const far = accepted[0]!;
  const received: number[] = [];
  const closed: string[] = [];
  far.onLane((_, stream) => stream.onData((chunk) => received.push(...chunk)));
  near.onClose((error) => closed.push(`near: ${error?.message}`));
  far.onClose((error) => closed.push(`far: ${error?.message}`));
  const lane = await near.openLane("normal");
  await clock.advanceAsync(100);
  return { clock, network, near, far, lane, received, closed };
}

describe("faults of the in-memory twin", () => {
  test("a partition holds bytes back and heals without loss", async () => {
    const { clock, network, near, far, lane, received } = await wire();
    network.partition([near.remote], [far.remote]);
    lane.send(Uint8Array.of(1, 2));
    lane.send(Uint8Array.of(3));
    await clock.advanceAsync(60_000);
    expect(received).toEqual([]);
    network.heal();
    lane.send(Uint8Array.of(4));
    await clock.advanceAsync(100);
    expect(received).toEqual([1, 2, 3, 4]);
  });

  test("a frozen node neither reads nor writes until it thaws", async () => {
    const { clock, network, near, lane, received, closed } = await wire();
    network.freeze(near.remote);
    lane.send(Uint8Array.of(1));
    await clock.advanceAsync(1000);
    expect([received, closed]).toEqual([[], []]);
    network.heal();
    await clock.advanceAsync(100);
    expect(received).toEqual([1]);
  });

  test("peers of a crashed node see their connections break; after a silent crash they see nothing", async () => {
    const loud = await wire();
    loud.network.crash(loud.near.remote);
    await loud.clock.advanceAsync(100);
    expect(loud.closed).toEqual(["near: the connection broke"]);
    const silent = await wire();
    silent.network.crash(silent.near.remote, { silent: true });
    await silent.clock.advanceAsync(60_000);
    expect(silent.closed).toEqual([]);
    expect(silent.network.connectionCount).toBe(0.5);
  });

  test("a dropped connection breaks at both ends", async () => {
    const { clock, network, near, far, closed } = await wire();
    network.dropConnection(near.remote, far.remote);
    await clock.advanceAsync(100);
    expect([...closed].sort()).toEqual(["far: the connection broke", "near: the connection broke"]);
  });

  test("a chunk is spoilt once its handler has returned", async () => {
    const { clock, far, near } = await wire();
    const kept: Uint8Array[] = [];
    far.onLane((_, stream) => stream.onData((chunk) => kept.push(chunk)));
    const lane = await near.openLane("high");
    lane.send(Uint8Array.of(1));
    await clock.advanceAsync(100);
    expect(kept).toEqual([Uint8Array.of(0xee)]);
  });
});
