import { afterEach, describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { generateKeyPair } from "../identity/index.ts";
import { type Clock, EasynetError, isEasynetError } from "../kernel/index.ts";
import { type MeshNode, MeshWorld, STRANGER } from "../testing/mesh-world.ts";
import { LANES } from "../wire/index.ts";
import type { MeshOptions } from "./mesh-options.ts";
import type { MeshFrame } from "./types.ts";

verifies("mesh:p2p:join", "identity:auth:certificate");

let world = new MeshWorld();

/** A fresh world; the last one must be able to end without leaving a timer or a connection. */
function begin(options: ConstructorParameters<typeof MeshWorld>[0] = {}): MeshWorld {
  world = new MeshWorld(options);
  return world;
}

afterEach(async () => {
  await world.stop();
});

function collect(node: MeshNode, type = 33): MeshFrame[] {
  const frames: MeshFrame[] = [];
  node.mesh.handle(type, (frame) => void frames.push({ ...frame, body: Uint8Array.from(frame.body) }));
  return frames;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return isEasynetError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("linking", () => {
  test("connect resolves with the peer, and both sides know each other", async () => {
    const [one, other] = await begin().pair();
    expect(one.mesh.peer(other.did)).toMatchObject({ name: "other", direction: "outbound", epoch: other.mesh.epoch });
    expect(other.mesh.peer(one.did)).toMatchObject({ name: "one", direction: "inbound", epoch: one.mesh.epoch });
    expect([one.events, other.events]).toEqual([["joined other"], ["joined one"]]);
  });

  test("two dials that cross end in one link that neither side saw end", async () => {
    for (let seed = 0; seed < 30; seed++) {
      begin({ seed });
      const one = await world.node("one");
      const other = await world.node("other");
      const both = [one.mesh.connect(world.addressOf(other)), other.mesh.connect(world.addressOf(one))];
      const peers = await world.settle(Promise.all(both));
      await world.clock.advanceAsync(30_000);
      expect(peers.map((peer) => peer.did)).toEqual([other.did, one.did]);
      expect([one.events, other.events]).toEqual([["joined other"], ["joined one"]]);
      expect(world.network.connectionCount).toBe(1);
      expect(one.mesh.peer(other.did)?.direction).not.toBe(other.mesh.peer(one.did)?.direction);
      if (seed < 29) await world.stop();
    }
  });

  test("connecting again, by itself or by the other side, keeps the link there is", async () => {
    const [one, other] = await begin().pair();
    const peer = one.mesh.peer(other.did);
    expect(await world.settle(one.mesh.connect(world.addressOf(other)))).toBe(peer);
    const back = await world.settle(other.mesh.connect(world.addressOf(one)));
    expect(back).toBe(other.mesh.peer(one.did));
    await world.clock.advanceAsync(10_000);
    expect([one.events, other.events]).toEqual([["joined other"], ["joined one"]]);
    expect(world.network.connectionCount).toBe(1);
  });

  test("an address that leads to oneself, to another key or to nobody is refused", async () => {
    begin();
    const one = await world.node("one");
    const other = await world.node("other");
    await expect(world.settle(one.mesh.connect(world.addressOf(one)))).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
    });
    expect(one.counts.get("easynet_links_refused_total{self}")).toBeGreaterThan(0);
    await expect(world.settle(one.mesh.connect("/memory/99"))).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    await expect(world.settle(one.mesh.connect("nonsense"))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    one.mesh.learn(generateKeyPair().did, [`/memory/${other.port}`]);
    await world.clock.advanceAsync(100);
    expect(one.counts.get("easynet_links_refused_total{identity}")).toBeGreaterThan(0);
    expect([one.events, other.events]).toEqual([[], []]);
  });

  test("a node of another network is refused with the reason, at both ends", async () => {
    begin();
    const one = await world.node("one");
    const other = await world.node("other", { network: generateKeyPair().did });
    await expect(world.settle(one.mesh.connect(world.addressOf(other)))).rejects.toMatchObject({
      code: "NETWORK_MISMATCH",
    });
    expect(other.counts.get("easynet_links_refused_total{network}")).toBe(1);
    expect([one.events, other.events]).toEqual([[], []]);
  });

  test("a stranger learns nothing, and a member does not link to one", async () => {
    begin();
    const one = await world.node("one");
    const stranger = await world.node("stranger", { membership: STRANGER });
    const failure = { code: "MEMBERSHIP_INVALID" };
    await expect(world.settle(stranger.mesh.connect(world.addressOf(one)))).rejects.toMatchObject(failure);
    await expect(world.settle(one.mesh.connect(world.addressOf(stranger)))).rejects.toMatchObject(failure);
    expect(one.counts.get("easynet_links_refused_total{membership}")).toBe(2);
    expect([one.events, stranger.events]).toEqual([[], []]);
  });

  test("another process with our own key is refused and counted", async () => {
    begin();
    const one = await world.node("one");
    const twin = await world.node("twin", { keyPair: one.keyPair });
    await expect(world.settle(twin.mesh.connect(`/memory/${one.port}`))).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
    });
    expect(one.counts.get("easynet_links_refused_total{self}")).toBe(1);
    expect(twin.counts.get("easynet_links_refused_total{self}")).toBe(1);
  });

  test("above its limit of links a node refuses with OVERLOADED, and those there are stay", async () => {
    begin({ mesh: { config: { linksCountMax: 2 } } });
    const hub = await world.node("hub");
    for (const name of ["a", "b"]) {
      const node = await world.node(name);
      await world.settle(node.mesh.connect(world.addressOf(hub)));
    }
    const third = await world.node("c");
    await expect(world.settle(third.mesh.connect(world.addressOf(hub)))).rejects.toMatchObject({ code: "OVERLOADED" });
    expect(hub.mesh.peers().map((peer) => peer.name)).toEqual(["a", "b"]);
  });
});

describe("frames", () => {
  test("arrive on every lane, in order, with what the sender put beside them", async () => {
    const [one, other] = await begin().pair();
    const received = collect(other);
    for (const lane of LANES) {
      for (let index = 0; index < 50; index++) {
        const body = new Uint8Array(index * 1000).fill(index);
        one.mesh.send(other.did, { lane, type: 33, correlation: index, flags: index, body });
      }
    }
    await world.clock.advanceAsync(2000);
    for (const lane of LANES) {
      const frames = received.filter((frame) => frame.lane === lane);
      expect(frames.map((frame) => frame.correlation)).toEqual(Array.from({ length: 50 }, (_, index) => index));
      expect(frames.every((frame) => frame.body.every((byte) => byte === frame.correlation))).toBe(true);
      expect(frames.every((frame) => frame.from === one.did && frame.flags === frame.correlation)).toBe(true);
    }
  });

  test("go to nobody without a link, to oneself or with a type of the link itself", async () => {
    const [one, other] = await begin().pair();
    const frame = { lane: "normal", type: 33, body: new Uint8Array(0) } as const;
    expect(codeOf(() => one.mesh.send(generateKeyPair().did, frame))).toBe("PEER_UNREACHABLE");
    expect(codeOf(() => one.mesh.send(one.did, frame))).toBe("INVALID_ARGUMENT");
    for (const type of [0, 1, 15, 256, 1.5]) {
      expect(codeOf(() => one.mesh.send(other.did, { ...frame, type }))).toBe("INVALID_ARGUMENT");
      expect(codeOf(() => one.mesh.handle(type, () => undefined))).toBe("INVALID_ARGUMENT");
    }
  });

  test("of a type that nobody handles are counted and dropped; a handler that throws harms nothing", async () => {
    const [one, other] = await begin().pair();
    other.mesh.handle(40, () => {
      throw new Error("a bug");
    });
    other.mesh.handle(41, async () => {
      await Promise.resolve();
      throw new Error("another bug");
    });
    const received = collect(other);
    for (const type of [99, 40, 41, 33]) one.mesh.send(other.did, { lane: "high", type, body: new Uint8Array(3) });
    await world.clock.advanceAsync(100);
    expect(received).toHaveLength(1);
    expect(other.counts.get("easynet_frames_unhandled_total")).toBe(1);
    expect(other.counts.get("easynet_frame_handler_errors_total")).toBe(2);
  });

  test("wait when the receiver does not consume, and its memory stays within the window", async () => {
    const [one, other] = await begin().pair();
    const gates: (() => void)[] = [];
    other.mesh.handle(33, async () => new Promise((resolve) => gates.push(resolve)));
    const size = 64 * 1024;
    const sentCount = 64;
    for (let count = 0; count < sentCount; count++) {
      one.mesh.send(other.did, { lane: "bulk", type: 33, body: new Uint8Array(size) });
    }
    await world.clock.advanceAsync(1000);
    expect(gates.length * size).toBeLessThanOrEqual(2 * 1024 * 1024);
    expect(gates.length).toBeGreaterThan(20);
    // Other lanes go on meanwhile.
    const quick = collect(other, 34);
    one.mesh.send(other.did, { lane: "high", type: 34, body: new Uint8Array(1) });
    await world.clock.advanceAsync(100);
    expect(quick).toHaveLength(1);
    let finishedCount = 0;
    for (let round = 0; round < 10 && gates.length > 0; round++) {
      for (const open of gates.splice(0)) {
        finishedCount++;
        open();
      }
      await world.clock.advanceAsync(1000);
    }
    expect(finishedCount).toBe(sentCount);
    expect([one.events, other.events]).toEqual([["joined other"], ["joined one"]]);
  });

  test("that nobody takes off end in BACKPRESSURE, and drained tells when there is room", async () => {
    const [one, other] = await begin().pair();
    world.network.freeze(other.did);
    const body = new Uint8Array(256 * 1024);
    const code = codeOf(() => {
      for (;;) one.mesh.send(other.did, { lane: "normal", type: 33, body: body.slice() });
    });
    expect(code).toBe("BACKPRESSURE");
    const drained = one.mesh.drained(other.did, "normal");
    world.network.heal();
    await world.settle(drained);
    expect(one.mesh.send(other.did, { lane: "normal", type: 33, body })).toBe(true);
  });

  test("larger than the peer takes are refused before they are queued", async () => {
    const [one, other] = await begin().pair();
    const body = new Uint8Array(1024 * 1024 + 1);
    expect(codeOf(() => one.mesh.send(other.did, { lane: "bulk", type: 33, body }))).toBe("FRAME_TOO_LARGE");
  });
});

describe("liveness", () => {
  test("the round trip is measured by pings", async () => {
    const [one, other] = await begin({ latencyMs: { min: 20, max: 20 } }).pair();
    await world.clock.advanceAsync(5000);
    expect(one.mesh.peer(other.did)?.rttMs).toBe(40);
  });

  test("a frozen peer is left after three intervals, and comes back by itself", async () => {
    const [one, other] = await begin().pair();
    world.network.freeze(other.did);
    await world.clock.advanceAsync(9000);
    expect(one.events).toEqual(["joined other", "left other: it sent nothing for 3 ping intervals"]);
    world.network.heal();
    await world.clock.advanceAsync(60_000);
    expect(one.events.at(-1)).toBe("joined other");
    expect(one.mesh.peers()).toHaveLength(1);
    expect(other.mesh.peers()).toHaveLength(1);
  });

  test("silence that our own event loop caused is not held against the peer", async () => {
    begin();
    let sleptMs = 0;
    const clock: Clock = {
      nowMs: () => world.clock.nowMs() + sleptMs,
      monotonicMs: () => world.clock.monotonicMs() + sleptMs,
      setTimer: (delayMs, callback) => world.clock.setTimer(delayMs, callback),
    };
    const one = await world.node("one", { clock });
    const other = await world.node("other");
    await world.settle(one.mesh.connect(world.addressOf(other)));
    world.network.freeze(other.did);
    // Each timer of the node comes 5 s late.
    for (let sleep = 0; sleep < 20; sleep++) {
      await world.clock.advanceAsync(1900);
      sleptMs += 5000;
    }
    expect(one.events).toEqual(["joined other"]);
    await world.clock.advanceAsync(9000);
    expect(one.events.at(-1)).toBe("left other: it sent nothing for 3 ping intervals");
  });

  test("a broken connection is told at once and linked again soon", async () => {
    const [one, other] = await begin().pair();
    world.network.dropConnection(one.did, other.did);
    await world.clock.advanceAsync(50);
    expect(one.events).toEqual(["joined other", "left other: the connection broke"]);
    await world.clock.advanceAsync(2000);
    expect(one.events.at(-1)).toBe("joined other");
    expect(other.mesh.peers()).toHaveLength(1);
  });

  test("a peer that restarted replaces its old link at once", async () => {
    const [one, other] = await begin().pair();
    world.network.crash(other.did, { silent: true });
    const again = await world.node("again", { keyPair: other.keyPair, port: other.port });
    expect(again.mesh.epoch).not.toBe(other.mesh.epoch);
    await world.settle(again.mesh.connect(world.addressOf(one)));
    await world.clock.advanceAsync(100);
    expect(one.events).toEqual(["joined other", "left other: the peer was restarted", "joined again"]);
    expect(one.mesh.peer(other.did)?.epoch).toBe(again.mesh.epoch);
  });

  test("a link does not outlive the membership that was shown", async () => {
    begin();
    const expiresAtMs = world.clock.nowMs() + 60_000;
    const verifyMember: MeshOptions["verifyMember"] = async (_, remote) => {
      await Promise.resolve();
      if (world.clock.nowMs() < expiresAtMs) return { expiresAtMs };
      throw new EasynetError("MEMBERSHIP_INVALID", { peer: remote, reason: "it has expired" });
    };
    const one = await world.node("one", { verifyMember });
    const other = await world.node("other");
    await world.settle(one.mesh.connect(world.addressOf(other)));
    await world.clock.advanceAsync(58_000);
    expect(other.events).toEqual(["joined one"]);
    await world.clock.advanceAsync(30_000);
    expect(other.events).toHaveLength(2);
    expect(other.events[1]).toContain("it has expired");
    expect(one.mesh.peers()).toEqual([]);
    expect(one.counts.get("easynet_links_refused_total{membership}")).toBeGreaterThan(0);
  });

  test("a stopped peer says so", async () => {
    const [one, other] = await begin().pair();
    await world.settle(other.mesh.stop());
    await world.clock.advanceAsync(100);
    expect(one.events).toEqual(["joined other", "left other: the node stopped"]);
  });
});

describe("learning", () => {
  test("a learnt peer is dialled until it is there, by each of its addresses", async () => {
    begin();
    const one = await world.node("one");
    const late = generateKeyPair();
    one.mesh.learn(late.did, ["/memory/4000", "/memory/4001"]);
    await world.clock.advanceAsync(20_000);
    expect(one.counts.get("easynet_dials_total{failed}")).toBeGreaterThan(4);
    const other = await world.node("other", { keyPair: late, port: 4001 });
    await world.clock.advanceAsync(40_000);
    expect(one.mesh.peer(other.did)?.name).toBe("other");
  });

  test("a forgotten peer is not dialled again", async () => {
    const [one, other] = await begin().pair();
    one.mesh.forget(other.did);
    other.mesh.forget(one.did);
    world.network.dropConnection(one.did, other.did);
    await world.clock.advanceAsync(60_000);
    expect(one.events.at(-1)).toBe("left other: the connection broke");
  });

  test("not more than 8 peers are dialled at once, and not more are kept than the limit", async () => {
    begin({ latencyMs: { min: 1000, max: 1000 } });
    const one = await world.node("one", { config: { knownPeersCountMax: 1000, fullMeshCountMax: 1000 } });
    for (let count = 0; count < 1005; count++) one.mesh.learn(keyOf(count), [`/memory/${5000 + count}`]);
    expect(one.counts.get("easynet_known_peers_refused_total")).toBe(5);
    await world.clock.advanceAsync(2500);
    expect(one.counts.get("easynet_dials_total{failed}")).toBe(8);
  });
});

const keyPairs = new Map<number, MeshNode["did"]>();

function keyOf(number: number): MeshNode["did"] {
  const did = keyPairs.get(number) ?? generateKeyPair().did;
  keyPairs.set(number, did);
  return did;
}

test("a stopped mesh refuses to dial", async () => {
  const [one, other] = await begin().pair();
  await world.settle(one.mesh.stop());
  await expect(one.mesh.connect(world.addressOf(other))).rejects.toMatchObject({ code: "NODE_STOPPING" });
});
