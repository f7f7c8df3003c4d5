import { setImmediate as nextTurn } from "node:timers/promises";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EasynetError, EasynetError as Failure, isEasynetError, seededRandom } from "../kernel/index.ts";
import { FLUSH_BYTES, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameReader } from "../wire/index.ts";
import type { LaneStream } from "./fabric.ts";
import { LaneSender } from "./lane-sender.ts";
import { LANE_HIGH_WATER_BYTES } from "./mesh-config.ts";

const WINDOW_BYTES = 2 * 1024 * 1024;

/** A stream that takes bytes until it is told to be full. */
class FakeStream implements LaneStream {
  readonly sent: Uint8Array[] = [];
  readonly received: number[] = [];
  full = false;
  bufferedBytes = 0;
  readonly #reader = new FrameReader({
    lane: "normal",
    onFrame: (frame) => void this.received.push(frame.correlation),
  });
  #onDrain: () => void = () => undefined;

  send(bytes: Uint8Array): boolean {
    this.sent.push(bytes);
    this.#reader.push(bytes);
    return !this.full;
  }

  onDrain(handler: () => void): void {
    this.#onDrain = handler;
  }

  drain(): void {
    this.full = false;
    this.#onDrain();
  }

  onData(): void {
    // Nothing comes back.
  }

  onClose(): void {
    // It is not closed.
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  abort(): void {
    // Nothing to drop.
  }
}

function open(changes: { readonly windowBytes?: number; readonly queueBytesMax?: number } = {}): {
  readonly sender: LaneSender;
  readonly stream: FakeStream;
  readonly failures: EasynetError[];
} {
  const failures: EasynetError[] = [];
  const limits = { windowBytes: WINDOW_BYTES, queueBytesMax: 8 * 1024 * 1024, ...changes };
  const onFailure = (error: EasynetError): void => void failures.push(error);
  const sender = new LaneSender({ lane: "normal", peer: "did:key:peer", onFailure, ...limits });
  return { sender, stream: new FakeStream(), failures };
}

const frame = (correlation: number, length = 10): Parameters<LaneSender["send"]>[0] => ({
  lane: "normal",
  type: 33,
  correlation,
  body: new Uint8Array(length),
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return isEasynetError(error) ? error.code : String(error);
  }
  return undefined;
}

describe("a lane's sender", () => {
  test("writes a lone frame in the turn in which it was sent", async () => {
    const { sender, stream } = open();
    sender.attach(stream);
    sender.send(frame(1));
    await Promise.resolve();
    expect(stream.received).toEqual([1]);
  });

  test("gathers the frames of one turn into few large writes", async () => {
    const { sender, stream } = open();
    sender.attach(stream);
    for (let count = 0; count < 1000; count++) sender.send(frame(count, 256));
    await nextTurn();
    await nextTurn();
    expect(stream.received).toHaveLength(1000);
    expect(stream.sent.length).toBeLessThanOrEqual(Math.ceil((1000 * 280) / (FLUSH_BYTES - 600)) + 2);
  });

  test("gathers the frames of promises that follow one another in one turn", async () => {
    const { sender, stream } = open();
    sender.attach(stream);
    await Promise.all(
      Array.from({ length: 100 }, async (_, count) => {
        for (let step = 0; step < count % 10; step++) await Promise.resolve();
        sender.send(frame(count));
      }),
    );
    await nextTurn();
    await nextTurn();
    expect(stream.received).toHaveLength(100);
    expect(stream.sent.length).toBeLessThanOrEqual(3);
  });

  test("keeps frames until its stream is open", async () => {
    const { sender, stream } = open();
    for (let count = 0; count < 10; count++) sender.send(frame(count));
    sender.attach(stream);
    expect(stream.received).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await nextTurn();
    expect(stream.sent).toHaveLength(1);
  });

  test("stops when the stream is full and goes on when it drains", async () => {
    const { sender, stream } = open();
    sender.attach(stream);
    stream.full = true;
    for (let count = 0; count < 100; count++) sender.send(frame(count, 1000));
    await nextTurn();
    await nextTurn();
    expect(stream.received.length).toBeLessThan(40);
    stream.drain();
    expect(stream.received).toHaveLength(100);
  });

  test("sends no more than the window until bytes are given back", async () => {
    const { sender, stream } = open();
    sender.attach(stream);
    const bytes = FRAME_HEADER_BYTES + 1000;
    const fitting = Math.floor(WINDOW_BYTES / bytes);
    for (let count = 0; count < fitting + 5; count++) sender.send(frame(count, 1000));
    await nextTurn();
    expect(stream.received).toHaveLength(fitting);
    sender.credit(2 * bytes);
    expect(stream.received).toHaveLength(fitting + 2);
  });

  test("refuses more window than was used: the peer would let us flood it", () => {
    const { sender, stream } = open();
    sender.attach(stream);
    sender.send(frame(1));
    expect(codeOf(() => sender.credit(FRAME_HEADER_BYTES + 11))).toBe("FRAME_MALFORMED");
  });

  test("answers false above the high-water mark, and BACKPRESSURE when its queue is full", async () => {
    const { sender, stream } = open();
    const size = 64 * 1024;
    let accepted = 0;
    let firstFalse = 0;
    const code = codeOf(() => {
      for (;;) {
        const room = sender.send(frame(accepted++, size));
        if (!room && firstFalse === 0) firstFalse = accepted;
      }
    });
    expect(code).toBe("BACKPRESSURE");
    expect(firstFalse).toBe(Math.ceil(LANE_HIGH_WATER_BYTES / (size + FRAME_HEADER_BYTES)));
    expect(sender.queuedBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
    const order: string[] = [];
    const drained = sender.drained().then(() => order.push("drained"));
    await nextTurn();
    expect(order).toEqual([]);
    sender.attach(stream);
    while (sender.queuedBytes >= LANE_HIGH_WATER_BYTES / 2) sender.credit(size + FRAME_HEADER_BYTES);
    await drained;
    expect(order).toEqual(["drained"]);
  });

  test("refuses a frame above the limit before it is queued", () => {
    const { sender } = open();
    expect(codeOf(() => sender.send(frame(1, FRAME_BYTES_MAX + 1)))).toBe("FRAME_TOO_LARGE");
    expect(sender.queuedBytes).toBe(0);
  });

  test("tells everybody who waits or sends that the link is closed", async () => {
    const { sender } = open();
    while (sender.send(frame(0, 64 * 1024))) {
      // Fill it to the mark.
    }
    const drained = sender.drained();
    sender.close(new Failure("LINK_CLOSED", { peer: "it", reason: "over" }));
    await expect(drained).rejects.toMatchObject({ code: "LINK_CLOSED" });
    await expect(sender.drained()).rejects.toMatchObject({ code: "LINK_CLOSED" });
    expect(codeOf(() => sender.send(frame(1)))).toBe("LINK_CLOSED");
  });

  test("reports a stream that throws once, and does not throw at its caller", async () => {
    const { sender, stream, failures } = open();
    stream.send = () => {
      throw new Error("broken pipe");
    };
    sender.attach(stream);
    sender.send(frame(1));
    await nextTurn();
    expect(failures.map((error) => error.code)).toEqual(["INTERNAL"]);
  });

  test("keeps the order whatever fills, drains and is given back", async () => {
    const action = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 40_000 }) },
      fc.constantFrom("full" as const, "drain" as const, "credit" as const, "turn" as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 80 }), fc.integer(), async (actions, seed) => {
        const { sender, stream } = open({ windowBytes: 100_000 });
        const random = seededRandom(seed);
        let sentCount = 0;
        let usedBytes = 0;
        let givenBytes = 0;
        const give = (): void => {
          usedBytes = stream.sent.reduce((sum, bytes) => sum + bytes.length, 0);
          const bytes = Math.floor(random.next() * (usedBytes - givenBytes + 1));
          givenBytes += bytes;
          sender.credit(bytes);
        };
        sender.attach(stream);
        for (const each of actions) {
          if (typeof each === "number") sender.send(frame(sentCount++, each));
          else if (each === "full") stream.full = true;
          else if (each === "drain") stream.drain();
          else if (each === "credit") give();
          else await nextTurn();
          expect(stream.received).toEqual(stream.received.map((_, index) => index));
        }
        for (let turn = 0; stream.received.length < sentCount && turn < 1000; turn++) {
          stream.drain();
          await nextTurn();
          usedBytes = stream.sent.reduce((sum, bytes) => sum + bytes.length, 0);
          sender.credit(usedBytes - givenBytes);
          givenBytes = usedBytes;
        }
        expect(stream.received).toHaveLength(sentCount);
      }),
      { numRuns: 50 },
    );
  });
});
