import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifies } from "../../../../test/requirements.ts";
import { generateKeyPair, type KeyPair } from "../identity/index.ts";
import { MEMBER, type MeshNode, MeshWorld, STRANGER } from "../testing/mesh-world.ts";
import { encodeValue, type Frame, FRAME_TYPES, FrameReader, FrameWriter, type Lane } from "../wire/index.ts";
import type { FabricConnection, LaneStream } from "./fabric.ts";
import { decodeGoodbye, encodeCredit, encodeHello, encodeWelcome, type Hello } from "./hello.ts";

verifies("identity:auth:certificate");

/** Somebody who speaks the protocol by hand, well or badly. */
class Hand {
  readonly keyPair: KeyPair;
  readonly received: Frame[] = [];
  closed = false;
  connection!: FabricConnection;
  readonly #world: MeshWorld;
  readonly #lanes = new Map<Lane, { readonly stream: LaneStream; readonly writer: FrameWriter }>();

  constructor(from: MeshWorld, keyPair = generateKeyPair()) {
    this.#world = from;
    this.keyPair = keyPair;
  }

  async dial(node: MeshNode): Promise<void> {
    const fabric = this.#world.network.fabric(this.keyPair);
    await fabric.start();
    this.connection = await this.#world.settle(fabric.dial(this.#world.addressOf(node)));
    this.connection.onClose(() => (this.closed = true));
  }

  async open(lane: Lane): Promise<LaneStream> {
    const stream = await this.connection.openLane(lane);
    const reader = new FrameReader({
      lane,
      onFrame: (frame) => void this.received.push({ ...frame, body: Uint8Array.from(frame.body) }),
    });
    stream.onData((chunk) => reader.push(chunk));
    this.#lanes.set(lane, { stream, writer: new FrameWriter(lane, (bytes) => void stream.send(bytes)) });
    return stream;
  }

  say(type: number, body: Uint8Array, lane: Lane = "control"): void {
    const { writer } = this.#lanes.get(lane)!;
    writer.append({ type, body });
    writer.flush();
  }

  /** Bytes of frames that were written before. */
  replay(lane: Lane, bytes: Uint8Array): void {
    this.#lanes.get(lane)!.stream.send(bytes);
  }

  hello(changes: Partial<Hello> = {}): Uint8Array {
    return encodeHello({
      versions: { min: 1, max: 1 },
      network: this.#world.networkDid,
      membership: MEMBER,
      name: "hand",
      epoch: 5,
      addresses: [],
      frameBytesMax: 1024 * 1024,
      features: [],
      ...changes,
    });
  }

  /** Up to the admission. */
  async join(node: MeshNode): Promise<void> {
    await this.dial(node);
    await this.open("control");
    this.say(FRAME_TYPES.hello, this.hello());
    await this.wait();
    this.say(FRAME_TYPES.welcome, encodeWelcome(1));
    for (const lane of ["high", "normal", "bulk"] as const) await this.open(lane);
    await this.wait();
  }

  async wait(durationMs = 100): Promise<void> {
    await this.#world.clock.advanceAsync(durationMs);
  }

  /** Types of the frames that came back. */
  get types(): readonly number[] {
    return this.received.map((frame) => frame.type);
  }

  /** With which code the node said goodbye. */
  get goodbye(): string | undefined {
    const frame = this.received.find((each) => each.type === FRAME_TYPES.goodbye);
    return frame && decodeGoodbye(frame.body, "the node").code;
  }
}

function keyPairWith(wanted: (did: string) => boolean): KeyPair {
  for (;;) {
    const keyPair = generateKeyPair();
    if (wanted(keyPair.did)) return keyPair;
  }
}

let world: MeshWorld;
let node: MeshNode;
let hand: Hand;

beforeEach(async () => {
  world = new MeshWorld();
  node = await world.node("node");
  hand = new Hand(world);
});

afterEach(async () => {
  world.network.crash(hand.keyPair.did);
  // Whatever was done to it, the node still links to a good peer.
  const friend = await world.node("friend");
  await world.settle(friend.mesh.connect(world.addressOf(node)));
  await world.stop();
});

describe("before the admission", () => {
  const refusals: readonly { readonly name: string; readonly say: () => void; readonly end: string }[] = [
    { name: "a ping", say: () => hand.say(FRAME_TYPES.ping, new Uint8Array(0)), end: "unexpected-frame" },
    { name: "a frame of the application", say: () => hand.say(33, new Uint8Array(9)), end: "unexpected-frame" },
    { name: "a welcome", say: () => hand.say(FRAME_TYPES.welcome, encodeWelcome(1)), end: "unexpected-frame" },
    {
      name: "two hellos",
      say: () => {
        hand.say(FRAME_TYPES.hello, hand.hello());
        hand.say(FRAME_TYPES.hello, hand.hello());
      },
      end: "second-hello",
    },
    { name: "a hello that is not one", say: () => hand.say(FRAME_TYPES.hello, encodeValue(["x"])), end: "malformed" },
    {
      name: "a hello of 64 KiB and a byte",
      say: () => hand.say(FRAME_TYPES.hello, new Uint8Array(64 * 1024 + 1)),
      end: "malformed",
    },
    {
      name: "a hello nested too deep",
      say: () => hand.say(FRAME_TYPES.hello, new Uint8Array(1000).fill(0x91)),
      end: "malformed",
    },
    {
      name: "the membership of somebody else",
      say: () => hand.say(FRAME_TYPES.hello, hand.hello({ membership: STRANGER })),
      end: "membership",
    },
    {
      name: "the name of another network",
      say: () => hand.say(FRAME_TYPES.hello, hand.hello({ network: hand.keyPair.did })),
      end: "network",
    },
    {
      name: "only versions of the future",
      say: () => hand.say(FRAME_TYPES.hello, hand.hello({ versions: { min: 2, max: 9 } })),
      end: "version",
    },
  ];

  test.for(refusals)("$name: goodbye, and nothing else is answered", async ({ say, end }) => {
    await hand.dial(node);
    await hand.open("control");
    say();
    await hand.wait();
    expect(hand.types).toEqual([FRAME_TYPES.goodbye]);
    expect(node.counts.get(`easynet_links_refused_total{${end}}`)).toBe(1);
    await hand.wait(2000);
    expect(hand.closed).toBe(true);
    expect(node.events).toEqual([]);
  });

  test("bytes that are no frame: goodbye", async () => {
    await hand.dial(node);
    const stream = await hand.open("control");
    stream.send(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"));
    await hand.wait();
    expect(hand.goodbye).toBe("FRAME_TOO_LARGE");
  });

  test("a flood is cut at its first frame", async () => {
    await hand.dial(node);
    await hand.open("control");
    const handled: unknown[] = [];
    node.mesh.handle(33, (frame) => void handled.push(frame));
    for (let count = 0; count < 1000; count++) hand.say(33, new Uint8Array(1000));
    await hand.wait(2000);
    expect([handled, hand.types, hand.closed]).toEqual([[], [FRAME_TYPES.goodbye], true]);
  });

  test("a hello that dribbles in is cut after 5 s", async () => {
    await hand.dial(node);
    const stream = await hand.open("control");
    const bytes: Uint8Array[] = [];
    const writer = new FrameWriter("control", (chunk) => bytes.push(chunk));
    writer.append({ type: FRAME_TYPES.hello, body: hand.hello() });
    writer.flush();
    const slow = Buffer.concat(bytes);
    for (let index = 0; index < 49; index++) {
      stream.send(slow.subarray(index, index + 1));
      await hand.wait(100);
    }
    expect(hand.types).toEqual([]);
    await hand.wait(500);
    expect(hand.goodbye).toBe("DEADLINE_EXCEEDED");
    expect(node.counts.get("easynet_links_refused_total{timeout}")).toBe(1);
  });

  test("a connection on which nothing ever happens is closed too", async () => {
    await hand.dial(node);
    await hand.wait(7000);
    expect(hand.closed).toBe(true);
    expect(node.counts.get("easynet_links_refused_total{timeout}")).toBe(1);
  });

  test("a lane is refused", async () => {
    await hand.dial(node);
    await hand.open("control");
    await hand.open("normal");
    hand.say(33, new Uint8Array(10), "normal");
    await hand.wait();
    expect(hand.goodbye).toBe("FRAME_MALFORMED");
    expect(node.counts.get("easynet_links_refused_total{early-lane}")).toBe(1);
  });

  test("more than 64 connections that say nothing are not taken", async () => {
    const hands = Array.from({ length: 70 }, () => new Hand(world));
    for (const each of hands) await each.dial(node);
    await hand.wait();
    expect(hands.filter((each) => each.closed)).toHaveLength(6);
    expect(node.counts.get("easynet_links_refused_total{limit}")).toBe(6);
    await hand.wait(10_000);
    expect(hands.every((each) => each.closed)).toBe(true);
  });
});

describe("after the admission", () => {
  test("a member by hand is linked: the page describes the protocol as it is", async () => {
    await hand.join(node);
    expect(hand.types.slice(0, 3)).toEqual([FRAME_TYPES.hello, FRAME_TYPES.welcome, FRAME_TYPES.ping]);
    expect(node.events).toEqual(["joined hand"]);
    node.mesh.send(hand.keyPair.did, { lane: "normal", type: 33, body: Uint8Array.of(1) });
    await hand.wait();
    expect(hand.received.at(-1)).toMatchObject({ type: 33, lane: "normal", sequence: 1, body: Uint8Array.of(1) });
  });

  test.for([
    { name: "a second hello", say: () => hand.say(FRAME_TYPES.hello, hand.hello()) },
    { name: "a second welcome", say: () => hand.say(FRAME_TYPES.welcome, encodeWelcome(1)) },
    { name: "a control frame on another lane", say: () => hand.say(FRAME_TYPES.ping, new Uint8Array(0), "high") },
    { name: "credit that was never used", say: () => hand.say(FRAME_TYPES.credit, encodeCredit(2, 1)) },
    { name: "credit that cannot be read", say: () => hand.say(FRAME_TYPES.credit, Uint8Array.of(0xc1)) },
  ])("$name ends the link", async ({ say }) => {
    await hand.join(node);
    say();
    await hand.wait();
    expect(hand.goodbye).toBe("FRAME_MALFORMED");
    expect(node.events).toHaveLength(2);
    expect(node.counts.get("easynet_links_broken_total{protocol}")).toBe(1);
  });

  test("a replayed frame is not delivered again, and ends the link", async () => {
    await hand.join(node);
    const bodies: number[] = [];
    node.mesh.handle(33, (frame) => void bodies.push(frame.body[0] ?? -1));
    const sent: Uint8Array[] = [];
    const writer = new FrameWriter("normal", (bytes) => sent.push(bytes));
    writer.append({ type: 33, body: Uint8Array.of(7) });
    writer.flush();
    hand.replay("normal", sent[0]!);
    await hand.wait();
    hand.replay("normal", sent[0]!);
    await hand.wait();
    expect(bodies).toEqual([7]);
    expect(hand.goodbye).toBe("FRAME_REPLAYED");
  });

  test("a second stream of a lane ends the link", async () => {
    await hand.join(node);
    await hand.open("normal");
    await hand.wait();
    expect(hand.goodbye).toBe("FRAME_MALFORMED");
  });

  test("more than the window ends the link", async () => {
    await hand.join(node);
    const gates: (() => void)[] = [];
    node.mesh.handle(33, async () => new Promise((resolve) => gates.push(resolve)));
    for (let count = 0; count < 3; count++) hand.say(33, new Uint8Array(1000 * 1000), "bulk");
    await hand.wait(1000);
    expect(gates).toHaveLength(2);
    expect(hand.goodbye).toBe("FRAME_TOO_LARGE");
    for (const open of gates) open();
  });

  test("a flood of control frames ends the link", async () => {
    await hand.join(node);
    for (let count = 0; count < 21_000; count++) hand.say(FRAME_TYPES.ping, new Uint8Array(0));
    await hand.wait(1000);
    expect(hand.closed).toBe(true);
    expect(node.events.at(-1)).toContain("The control lane");
    expect(node.counts.get("easynet_links_broken_total{protocol}")).toBe(1);
  });

  test("when the other end decides and links anew, it has lost the old link: it is replaced", async () => {
    hand = new Hand(
      world,
      keyPairWith((did) => did < node.did),
    );
    await hand.join(node);
    const again = new Hand(world, hand.keyPair);
    await again.join(node);
    expect(node.events).toEqual(["joined hand", "left hand: the peer linked anew", "joined hand"]);
    node.mesh.send(hand.keyPair.did, { lane: "normal", type: 33, body: Uint8Array.of(1) });
    await hand.wait(2000);
    expect([hand.types.includes(33), again.types.includes(33)]).toEqual([false, true]);
    expect(hand.closed).toBe(true);
  });

  test("when we decide, a second link is refused, and a silent old one ended within about a second", async () => {
    hand = new Hand(
      world,
      keyPairWith((did) => did > node.did),
    );
    await hand.join(node);
    const again = new Hand(world, hand.keyPair);
    await again.dial(node);
    await again.open("control");
    again.say(FRAME_TYPES.hello, again.hello());
    await again.wait();
    expect(again.goodbye).toBe("LINK_CLOSED");
    expect(node.events).toEqual(["joined hand"]);
    await hand.wait(1200);
    expect(node.events).toHaveLength(2);
    const third = new Hand(world, hand.keyPair);
    await third.join(node);
    expect(node.events.at(-1)).toBe("joined hand");
  });

  test("lanes that never open end the link", async () => {
    await hand.dial(node);
    await hand.open("control");
    hand.say(FRAME_TYPES.hello, hand.hello());
    await hand.wait();
    hand.say(FRAME_TYPES.welcome, encodeWelcome(1));
    await hand.wait();
    expect(node.events).toEqual(["joined hand"]);
    await hand.wait(6000);
    expect(node.events.at(-1)).toBe("left hand: it did not open all lanes in time");
  });

  test("goodbye texts of a peer stay data: long ones are cut, unknown codes become INTERNAL", async () => {
    await hand.join(node);
    const details = { reason: "x".repeat(10_000), nested: { not: "taken" } };
    hand.say(FRAME_TYPES.goodbye, encodeValue(["NO_SUCH_CODE", "their words", false, details]));
    await hand.wait();
    expect(node.events).toHaveLength(2);
    expect(node.events[1]?.length).toBeLessThan(400);
  });
});
