import { expect, test } from "vitest";
import type { Did } from "../identity/index.ts";
import { noMetrics, seededRandom, silentLogger } from "../kernel/index.ts";
import { fakeDid, fakeKeyPair, type FakeMesh, FakeNetwork, VirtualClock } from "../testing/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { createRelay, type Relay } from "./relay.ts";
import { parseCircuit } from "./relay-address.ts";
import { decodeRelayClose, decodeRelayOpen, encodeRelayOpen } from "./relay-frames.ts";

const COUNT = 40;
const dids = Array.from({ length: COUNT }, (_, index) => fakeDid(index));
const [asker = fakeDid(0), carrier = fakeDid(1)] = dids;

interface Crowd {
  readonly clock: VirtualClock;
  readonly network: FakeNetwork;
  readonly mesh: FakeMesh;
  readonly relay: Relay;
  /** Members that the carrier knows and keeps no link to. */
  readonly onDemand: readonly Did[];
}

/** A carrier that knows forty members, which are more than it keeps links to. */
async function crowd(): Promise<Crowd> {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const network = new FakeNetwork({ clock, autoLink: false, fullMeshCountMax: 10, random });
  const meshes = new Map(dids.map((did) => [did, network.join(did)]));
  const mesh = meshes.get(carrier);
  if (!mesh) throw new Error("no carrier");
  const fabric = {
    self: carrier,
    start: async () => undefined,
    stop: async () => undefined,
    addresses: () => [],
    dial: async () => Promise.reject(new Error("nothing is dialled here")),
    onConnection: () => undefined,
  };
  const ports = { clock, random, logger: silentLogger, metrics: noMetrics };
  const relay = createRelay({ ...ports, fabric, keyPair: fakeKeyPair(1), carries: true });
  relay.use(mesh);
  for (const did of dids) if (did !== carrier) mesh.learn(did, [`fake#${did}`]);
  network.link(asker, carrier);
  await clock.advanceAsync(5000);
  const onDemand = dids.filter((did) => did !== asker && mesh.isOnDemand(did) && !mesh.peer(did));
  return { clock, network, mesh, relay, onDemand };
}

function ask({ network }: Crowd, target: Did): void {
  const body = encodeRelayOpen({ role: "carry", did: target });
  network.meshes.get(asker)?.send(carrier, { lane: "normal", type: FRAME_TYPES["relay-open"], correlation: 1, body });
}

test("in a large network a carrier links to the target of a circuit when it is asked to carry", async () => {
  const world = await crowd();
  const [target = asker] = world.onDemand;
  const opened: Did[] = [];
  world.network.meshes.get(target)?.handle(FRAME_TYPES["relay-open"], ({ body }) => {
    opened.push(decodeRelayOpen(body).did);
  });
  ask(world, target);
  await world.clock.advanceAsync(1000);
  expect(opened).toEqual([asker]);
  expect(world.relay.carriedCount).toBe(1);
});

test("and refuses when the target cannot be reached", async () => {
  const world = await crowd();
  const [target = asker] = world.onDemand;
  world.network.crash(target);
  const reasons: string[] = [];
  world.network.meshes.get(asker)?.handle(FRAME_TYPES["relay-close"], ({ body }) => {
    reasons.push(decodeRelayClose(body));
  });
  ask(world, target);
  await world.clock.advanceAsync(1000);
  expect(reasons).toEqual(["no direct link to it"]);
});

test("a way to a member is looked for through those first that are likely to be linked to it", async () => {
  const { mesh, relay, onDemand } = await crowd();
  for (const target of onDemand) {
    const relays = (way: "linked" | "any"): (Did | undefined)[] =>
      relay.circuitsTo(target, way).map((address) => parseCircuit(address)?.relay);
    const neighbours = mesh.neighboursOf(target);
    const likely = relays("any").map((did) => did !== undefined && neighbours.includes(did));
    // After the first that is not likely none is.
    expect(likely.lastIndexOf(true)).toBeLessThan(likely.includes(false) ? likely.indexOf(false) : likely.length);
    expect(likely).toContain(true);
    expect(relays("linked").every((did) => did !== undefined && mesh.peer(did) !== undefined)).toBe(true);
  }
});
