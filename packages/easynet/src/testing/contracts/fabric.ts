import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";
import { generateKeyPair, type KeyPair } from "../../identity/index.ts";
import { type ErrorCode, isEasynetError, seededRandom } from "../../kernel/index.ts";
import type { Fabric, FabricConnection, LaneStream } from "../../mesh/index.ts";

/** What an adapter gives the suite. Time passes by itself: a twin runs on the system clock. */
export interface FabricHarness {
  /** A new fabric, not started, that will listen on one free address. */
  readonly open: (keyPair: KeyPair) => Fabric | Promise<Fabric>;
  /** A well-formed address at which nobody listens. */
  readonly deadAddress: string;
  /** `address` with the key `did` in place of the one at its end. */
  readonly withKey: (address: string, did: string) => string;
}

/** One promise of the Fabric port; independent of the test runner. */
export interface FabricCase {
  readonly name: string;
  readonly run: (harness: FabricHarness) => Promise<void>;
}

/** Real sockets on a busy machine need some patience; a promise that is kept needs milliseconds. */
const PATIENCE_MS = 10_000;
/** What a sender may have buffered that stops at `false`: the high-water mark and the write that crossed it. */
const BUFFERED_BYTES_MAX = 2 * 1024 * 1024;

/** Every promise of the Fabric port: `test.for(fabricContract)("$name", async (each) => each.run(harness))`. */
export const fabricContract: readonly FabricCase[] = [
  {
    name: "has addresses only while it is started, each with the key at its end",
    async run(harness) {
      await using pair = await Pair.open(harness);
      ok(pair.one.addresses().length > 0);
      const idle = await harness.open(generateKeyPair());
      deepStrictEqual(idle.addresses(), []);
      await rejects(pair.one.dial(harness.withKey(addressOf(pair.other), idle.self)), withCode("PEER_UNREACHABLE"));
    },
  },
  {
    name: "a dial proves both keys and says who dialled",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.connect();
      deepStrictEqual([near.remote, near.direction], [pair.other.self, "outbound"]);
      deepStrictEqual([far.remote, far.direction], [pair.one.self, "inbound"]);
      ok(near.remoteAddress.length > 0 && far.remoteAddress.length > 0);
    },
  },
  {
    name: "a dial to nobody, to no address and with an aborted signal fails with a code",
    async run(harness) {
      await using pair = await Pair.open(harness);
      await rejects(pair.one.dial(harness.deadAddress), withCode("PEER_UNREACHABLE"));
      await rejects(pair.one.dial("not an address"), withCode("INVALID_ARGUMENT"));
      const signal = AbortSignal.abort(new Error("no longer wanted"));
      await rejects(pair.one.dial(addressOf(pair.other), { signal }));
    },
  },
  {
    name: "carries the bytes of a lane in order in both directions, whatever the sizes",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.lanes("normal");
      const there = new Sink(far);
      const back = new Sink(near);
      const random = seededRandom(1);
      for (let count = 0; count < 500; count++) {
        there.expect(near, 1 + Math.floor(random.next() * 3000));
        back.expect(far, 1 + Math.floor(random.next() * 300));
        if (count % 50 === 0) await nextTurn();
      }
      await until("all bytes arrived", () => there.complete && back.complete);
    },
  },
  {
    name: "several lanes of one connection are separate streams with their names",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const names = ["control", "high", "normal", "bulk"];
      const [near, far] = await pair.connect();
      const sinks = new Map<string, Sink>();
      far.onLane((name, lane) => sinks.set(name, new Sink(lane)));
      for (const [index, name] of names.entries()) {
        const lane = await near.openLane(name);
        lane.send(Uint8Array.of(index));
      }
      await until("each lane has its byte", () => names.every((name) => sinks.get(name)?.byteCount === 1));
      deepStrictEqual(
        names.map((name) => sinks.get(name)?.first),
        [0, 1, 2, 3],
      );
    },
  },
  {
    name: "a lane that arrives before anybody listens for lanes is not lost",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.connect();
      const lane = await near.openLane("normal");
      lane.send(Uint8Array.of(7));
      for (let turn = 0; turn < 20; turn++) await nextTurn();
      const sinks: Sink[] = [];
      far.onLane((_, arrived) => sinks.push(new Sink(arrived)));
      await until("the byte arrived", () => sinks[0]?.first === 7);
    },
  },
  {
    name: "send answers false when too much is under way, and onDrain follows",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.lanes("bulk");
      const sink = new Sink(far);
      let drainCount = 0;
      near.onDrain(() => drainCount++);
      let refusedAt = 0;
      for (let count = 1; count <= 64 && refusedAt === 0; count++) {
        if (!sink.expect(near, 256 * 1024)) refusedAt = count;
      }
      ok(refusedAt > 0, "16 MiB in one turn never met the high-water mark");
      await until("drained", () => drainCount > 0 && sink.complete);
      ok(sink.expect(near, 1000), "after the drain there is room again");
      await until("all bytes arrived", () => sink.complete);
    },
  },
  {
    name: "a sender that stops at false moves 64 MiB with little buffered, and every byte arrives",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.lanes("bulk");
      const sink = new Sink(far);
      let bufferedMax = 0;
      let drained = (): void => undefined;
      near.onDrain(() => drained());
      for (let sent = 0; sent < 1024; sent++) {
        const room = sink.expect(near, 64 * 1024);
        bufferedMax = Math.max(bufferedMax, near.bufferedBytes);
        if (!room) {
          const { promise, resolve } = Promise.withResolvers<void>();
          drained = resolve;
          await promise;
        }
      }
      await until("all bytes arrived", () => sink.complete);
      ok(bufferedMax <= BUFFERED_BYTES_MAX, `${bufferedMax} bytes were buffered`);
    },
  },
  {
    name: "a reader that is slow to take its turns loses nothing and does not grow the sender's buffer",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.lanes("bulk");
      // Each chunk costs the reader some time, in which nothing else of it runs.
      const sink = new Sink(far, () => spin(1));
      let room = true;
      near.onDrain(() => (room = true));
      let bufferedMax = 0;
      for (let sent = 0; sent < 64;) {
        if (room) {
          room = sink.expect(near, 64 * 1024);
          sent++;
        } else {
          await nextTurn();
        }
        bufferedMax = Math.max(bufferedMax, near.bufferedBytes);
      }
      await until("all bytes arrived", () => sink.complete);
      ok(bufferedMax <= BUFFERED_BYTES_MAX, `${bufferedMax} bytes were buffered`);
    },
  },
  {
    name: "close lets written bytes leave; both ends are told once; nothing can be sent afterwards",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.connect();
      const sinks: Sink[] = [];
      far.onLane((_, lane) => sinks.push(new Sink(lane)));
      const lane = await near.openLane("normal");
      let closes = 0;
      near.onClose(() => closes++);
      far.onClose(() => closes++);
      lane.send(new Uint8Array(100_000));
      await near.close();
      await until("both ends are closed", () => closes === 2);
      strictEqual(sinks[0]?.byteCount, 100_000);
      throws(() => lane.send(Uint8Array.of(1)), withCode("LINK_CLOSED"));
      await rejects(near.openLane("high"), withCode("LINK_CLOSED"));
      await near.close();
      strictEqual(closes, 2);
    },
  },
  {
    name: "abort drops everything at once, at both ends",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.connect();
      const closed: string[] = [];
      const accepted: LaneStream[] = [];
      far.onLane((_, lane) => {
        accepted.push(lane);
        lane.onClose(() => closed.push("far lane"));
      });
      const lane = await near.openLane("normal");
      lane.onClose(() => closed.push("near lane"));
      near.onClose(() => closed.push("near"));
      far.onClose(() => closed.push("far"));
      lane.send(Uint8Array.of(1));
      await until("the lane is there", () => accepted.length === 1);
      near.abort(new Error("enough"));
      await until("all are told", () => closed.length === 4);
      deepStrictEqual([...closed].sort(), ["far", "far lane", "near", "near lane"]);
      throws(() => lane.send(Uint8Array.of(1)), withCode("LINK_CLOSED"));
    },
  },
  {
    name: "a lane can end alone",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near, far] = await pair.lanes("normal");
      let isClosed = false;
      far.onClose(() => (isClosed = true));
      await near.close();
      await until("the other end knows", () => isClosed);
      const [again] = await pair.lanes("normal");
      again.send(Uint8Array.of(1));
    },
  },
  {
    name: "two dials that cross are two connections: which is kept is for the mesh to decide",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [first, second] = await Promise.all([
        pair.one.dial(addressOf(pair.other)),
        pair.other.dial(addressOf(pair.one)),
      ]);
      await until("both were accepted", () => pair.acceptedByOne.length === 1 && pair.acceptedByOther.length === 1);
      deepStrictEqual([first.remote, second.remote], [pair.other.self, pair.one.self]);
      await first.close();
      const lane = await second.openLane("normal");
      const sinks: Sink[] = [];
      pair.acceptedByOne[0]?.onLane((_, arrived) => sinks.push(new Sink(arrived)));
      lane.send(Uint8Array.of(9));
      await until("the other one still works", () => sinks[0]?.first === 9);
    },
  },
  {
    name: "stop ends every connection, and nobody can dial afterwards",
    async run(harness) {
      await using pair = await Pair.open(harness);
      const [near] = await pair.connect();
      let isClosed = false;
      near.onClose(() => (isClosed = true));
      const address = addressOf(pair.other);
      await pair.other.stop();
      await until("the other end knows", () => isClosed);
      await rejects(pair.one.dial(address), withCode("PEER_UNREACHABLE"));
    },
  },
];

const withCode = (code: ErrorCode) => (error: unknown) => isEasynetError(error, code);

function addressOf(fabric: Fabric): string {
  const address = fabric.addresses()[0];
  ok(address !== undefined, "the fabric has no address");
  return address;
}

/** Two started fabrics, stopped at the end of a case. */
class Pair implements AsyncDisposable {
  readonly acceptedByOne: FabricConnection[] = [];
  readonly acceptedByOther: FabricConnection[] = [];
  readonly one: Fabric;
  readonly other: Fabric;

  static async open(harness: FabricHarness): Promise<Pair> {
    const pair = new Pair(await harness.open(generateKeyPair()), await harness.open(generateKeyPair()));
    await pair.one.start();
    await pair.other.start();
    return pair;
  }

  private constructor(one: Fabric, other: Fabric) {
    this.one = one;
    this.other = other;
    one.onConnection((connection) => this.acceptedByOne.push(connection));
    other.onConnection((connection) => this.acceptedByOther.push(connection));
  }

  /** Both ends of a connection, the dialler's first. */
  async connect(): Promise<[FabricConnection, FabricConnection]> {
    const before = this.acceptedByOther.length;
    const near = await this.one.dial(addressOf(this.other));
    await until("the dial was accepted", () => this.acceptedByOther.length > before);
    const far = this.acceptedByOther[before];
    ok(far);
    return [near, far];
  }

  /** Both ends of a lane, the dialler's first. */
  async lanes(name: string): Promise<[LaneStream, LaneStream]> {
    const [near, far] = await this.connect();
    const arrived: LaneStream[] = [];
    far.onLane((_, lane) => arrived.push(lane));
    const lane = await near.openLane(name);
    // Some adapters tell of a lane only with its first byte: none is sent before the reader is there.
    await until("the lane arrived", () => arrived.length === 1);
    const [distant] = arrived;
    ok(distant);
    return [lane, distant];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.one.stop(), this.other.stop()]);
  }
}

/** Reads one end of a lane and compares with what was sent: byte `n` of a lane is a fixed function of `n`. */
class Sink {
  byteCount = 0;
  first: number | undefined;
  #sentCount = 0;

  constructor(lane: LaneStream, onChunk: () => void = () => undefined) {
    lane.onData((chunk) => {
      this.first ??= chunk[0];
      if (this.#sentCount > 0) this.#compare(chunk);
      this.byteCount += chunk.length;
      onChunk();
    });
  }

  get complete(): boolean {
    return this.byteCount === this.#sentCount;
  }

  /** Sends the next `count` bytes of the pattern through the other end. */
  expect(from: LaneStream, count: number): boolean {
    const bytes = pattern(this.#sentCount, count);
    this.#sentCount += count;
    return from.send(bytes);
  }

  #compare(chunk: Uint8Array): void {
    const expected = pattern(this.byteCount, chunk.length);
    ok(Buffer.compare(expected, chunk) === 0, `bytes from ${this.byteCount} on are not those that were sent`);
  }
}

const PATTERN_BYTES = 251 * 257;
const PATTERN = Uint8Array.from({ length: 2 * 1024 * 1024 + PATTERN_BYTES }, (_, index) => {
  const position = index % PATTERN_BYTES;
  return (position ^ (position >> 8)) & 0xff;
});

/** A copy, because a sent buffer belongs to the stream. */
function pattern(start: number, count: number): Uint8Array {
  const offset = start % PATTERN_BYTES;
  return PATTERN.slice(offset, offset + count);
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    ok(performance.now() - startMs < PATIENCE_MS, `it did not happen in time: ${what}`);
    await nextTurn();
  }
}

function spin(durationMs: number): void {
  const startMs = performance.now();
  while (performance.now() - startMs < durationMs) {
    // Busy on purpose.
  }
}
