import { Duplex } from "node:stream";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isEasynetError } from "../kernel/index.ts";
import type { LaneStream } from "./fabric.ts";
import { LaneMuxer, type LaneMuxerHandlers, WriteBuffers } from "./lane-muxer.ts";
import { SocketReads } from "./socket-reads.ts";

/** A socket whose writes wait until the test lets them through. */
class ManualSocket extends Duplex {
  peer: ManualSocket | undefined;
  held = false;
  readonly written: Buffer[] = [];
  #pending: (() => void)[] = [];

  override _read(): void {
    // Data is pushed by the peer.
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    const bytes = Buffer.from(chunk);
    this.written.push(bytes);
    const deliver = (): void => {
      this.peer?.push(bytes);
      callback();
    };
    if (this.held) this.#pending.push(deliver);
    else deliver();
  }

  override _final(callback: () => void): void {
    this.peer?.push(null);
    callback();
  }

  release(): void {
    this.held = false;
    for (const deliver of this.#pending.splice(0)) deliver();
  }
}

const URGENCY = ["control", "high", "normal", "bulk"];

interface End {
  readonly socket: ManualSocket;
  readonly muxer: LaneMuxer;
  readonly lanes: Map<string, LaneStream>;
  readonly broken: Error[];
}

function makeEnd(socket: ManualSocket, direction: "inbound" | "outbound"): End {
  const muxer = new LaneMuxer({
    socket,
    direction,
    buffers: new WriteBuffers(),
    reads: new SocketReads(),
    urgencyOf: (lane) => URGENCY.indexOf(lane),
  });
  return { socket, muxer, lanes: new Map(), broken: [] };
}

function connect(onLane: LaneMuxerHandlers["onLane"] = () => undefined): { readonly near: End; readonly far: End } {
  const [left, right] = [new ManualSocket(), new ManualSocket()];
  left.peer = right;
  right.peer = left;
  const near = makeEnd(left, "outbound");
  const far = makeEnd(right, "inbound");
  near.muxer.start({ onLane: () => undefined, onBroken: (error) => near.broken.push(error) });
  far.muxer.start({
    onLane: (name, stream) => {
      far.lanes.set(name, stream);
      onLane(name, stream);
    },
    onBroken: (error) => far.broken.push(error),
  });
  return { near, far };
}

/** Streams hand data on in later turns. */
async function turns(): Promise<void> {
  for (let index = 0; index < 6; index++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

describe("lane muxer", () => {
  test("each lane keeps its own order and loses nothing, whatever is sent on which", async () => {
    const sends = fc.array(
      fc.record({ lane: fc.constantFrom(...URGENCY), size: fc.integer({ min: 1, max: 150_000 }) }),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(sends, async (all) => {
        const received = new Map<string, Buffer[]>();
        const { near } = connect((name, stream) => {
          received.set(name, []);
          stream.onData((chunk) => received.get(name)?.push(Buffer.from(chunk)));
        });
        const lanes = new Map(URGENCY.map((name) => [name, near.muxer.open(name)]));
        const sent = new Map<string, Buffer[]>(URGENCY.map((name) => [name, []]));
        for (const [index, { lane, size }] of all.entries()) {
          const bytes = Buffer.alloc(size, index + 1);
          sent.get(lane)?.push(Buffer.from(bytes));
          lanes.get(lane)?.send(bytes);
        }
        await Promise.all([...lanes.values()].map((lane) => lane.close()));
        await turns();
        for (const name of URGENCY) {
          const [expected, actual] = [Buffer.concat(sent.get(name) ?? []), Buffer.concat(received.get(name) ?? [])];
          expect([name, actual.equals(expected)]).toEqual([name, true]);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("while the socket is busy, the most urgent lane is written next", async () => {
    const order: string[] = [];
    const { near } = connect((name, stream) => stream.onData(() => order.push(name)));
    const [bulk, control] = [near.muxer.open("bulk"), near.muxer.open("control")];
    await turns();
    near.socket.held = true;
    bulk.send(new Uint8Array(10));
    bulk.send(new Uint8Array(60_000));
    bulk.send(new Uint8Array(60_000));
    control.send(new Uint8Array(10));
    near.socket.release();
    await turns();
    expect(order.slice(0, 2)).toEqual(["bulk", "control"]);
  });

  test("send says when to stop, and drain says when to go on", async () => {
    const { near } = connect((_name, stream) => stream.onData(() => undefined));
    const lane = near.muxer.open("bulk");
    let drained = 0;
    lane.onDrain(() => {
      drained++;
    });
    await turns();
    near.socket.held = true;
    lane.send(new Uint8Array(10));
    expect(lane.send(new Uint8Array(200_000))).toBe(true);
    expect(lane.send(new Uint8Array(100_000))).toBe(false);
    expect(lane.bufferedBytes).toBe(300_000);
    expect(drained).toBe(0);
    near.socket.release();
    await turns();
    expect([drained, lane.bufferedBytes]).toEqual([1, 0]);
  });

  test("a sender that does not stop gets BACKPRESSURE", async () => {
    const { near } = connect();
    const lane = near.muxer.open("bulk");
    near.socket.held = true;
    await turns();
    lane.send(new Uint8Array(10));
    const flood = (): void => {
      for (let index = 0; index < 40; index++) lane.send(new Uint8Array(1024 * 1024));
    };
    expect(flood).toThrow(expect.toSatisfy((error: unknown) => isEasynetError(error, "BACKPRESSURE")));
  });

  test("what arrives before somebody listens is kept", async () => {
    const { near, far } = connect();
    near.muxer.open("normal").send(Uint8Array.from([1, 2, 3]));
    await turns();
    const got: number[] = [];
    far.lanes.get("normal")?.onData((chunk) => got.push(...chunk));
    expect(got).toEqual([1, 2, 3]);
  });

  test("what arrives while nobody listens has a limit, and then the lane ends", async () => {
    const { near, far } = connect();
    const lane = near.muxer.open("normal");
    let ended: Error | undefined;
    await turns();
    far.lanes.get("normal")?.onClose((error) => {
      ended = error;
    });
    for (let index = 0; index < 5; index++) lane.send(new Uint8Array(1024 * 1024));
    await turns();
    expect(ended?.message).toMatch(/nobody reads/);
    expect(() => lane.send(new Uint8Array(1))).toThrow(/closed/);
  });

  test("a handler that throws loses its lane, and the others go on", async () => {
    const got: number[] = [];
    const { near } = connect((name, stream) => {
      stream.onData((chunk) => {
        if (name === "high") throw new Error("bug");
        got.push(...chunk);
      });
    });
    const [high, normal] = [near.muxer.open("high"), near.muxer.open("normal")];
    const ended: (string | undefined)[] = [];
    high.onClose((error) => ended.push(error?.message));
    high.send(new Uint8Array(1));
    await turns();
    normal.send(Uint8Array.from([7]));
    await turns();
    expect([ended, got]).toEqual([["the other end dropped the lane"], [7]]);
  });

  test("closing the connection writes what is queued first, and both ends hear of it once", async () => {
    let bytes = 0;
    const ends: string[] = [];
    const { near } = connect((_name, stream) => {
      stream.onData((chunk) => {
        bytes += chunk.length;
      });
      stream.onClose((error) => ends.push(`far ${error?.message}`));
    });
    const lane = near.muxer.open("bulk");
    lane.onClose((error) => ends.push(`near ${error?.message}`));
    lane.send(new Uint8Array(300_000));
    const closing = near.muxer.close();
    await turns();
    near.socket.destroy();
    await closing;
    expect([bytes, ends.sort()]).toEqual([300_000, ["far undefined", "near undefined"]]);
  });

  test("more lanes than allowed are refused one by one", async () => {
    const { near, far } = connect();
    const lanes = Array.from({ length: 20 }, () => near.muxer.open("normal"));
    let refused = 0;
    for (const lane of lanes) lane.onClose(() => refused++);
    await turns();
    expect([refused, far.broken]).toEqual([4, []]);
  });

  test("a lane id of the wrong end, and noise, break the connection and not the process", async () => {
    for (const bytes of [Buffer.from("01000001000000027a", "hex"), Buffer.from("ff000001000000017a", "hex")]) {
      const { near, far } = connect();
      near.socket.write(bytes);
      await turns();
      expect(far.broken).toHaveLength(1);
    }
  });
});
