import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EasynetError, isEasynetError } from "../kernel/index.ts";
import { type Frame, FRAME_HEADER_BYTES, type FrameInput } from "./frame-header.ts";
import { FrameReader } from "./frame-reader.ts";
import { FLUSH_BYTES, FrameWriter } from "./frame-writer.ts";
import { FRAME_BYTES_MAX } from "./limits.ts";

function encode(...frames: readonly FrameInput[]): Uint8Array {
  const sent: Uint8Array[] = [];
  const writer = new FrameWriter("normal", (bytes) => sent.push(bytes));
  for (const frame of frames) writer.append(frame);
  writer.flush();
  return new Uint8Array(Buffer.concat(sent));
}

/** Frames with copied bodies, as long as the reader takes the bytes. */
function collect(): { readonly frames: Frame[]; readonly reader: FrameReader } {
  const frames: Frame[] = [];
  const onFrame = (frame: Frame): void => void frames.push({ ...frame, body: Uint8Array.from(frame.body) });
  return { frames, reader: new FrameReader({ lane: "normal", onFrame }) };
}

function failure(run: () => void): EasynetError | undefined {
  try {
    run();
  } catch (error) {
    if (isEasynetError(error)) return error;
    throw error;
  }
  return undefined;
}

const text = (value: string): FrameInput => ({ type: 33, body: Buffer.from(value) });

/** A valid stream of one frame with some bytes changed. */
function altered(changes: Readonly<Record<number, number>>): Uint8Array {
  const bytes = encode(text("body"));
  for (const [index, byte] of Object.entries(changes)) bytes[Number(index)] = byte;
  return bytes;
}

describe("a stream of frames", () => {
  const frame = fc.record({
    type: fc.integer({ min: 1, max: 255 }),
    flags: fc.integer({ min: 0, max: 255 }),
    timeToLiveMs: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    correlation: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    body: fc.oneof(
      { weight: 5, arbitrary: fc.uint8Array({ maxLength: 300 }) },
      // Around the size from which a body is no longer copied.
      fc.integer({ min: FLUSH_BYTES - 2, max: FLUSH_BYTES + 2 }).map((length) => new Uint8Array(length).fill(length)),
    ),
  });

  test("arrives whole and in order, whatever the chunks are", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), cuts, (frames, sizes) => {
        const bytes = encode(...frames);
        const { frames: read, reader } = collect();
        for (let start = 0, turn = 0; start < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          // The fabric may reuse its chunk.
          const chunk = bytes.slice(start, start + size);
          reader.push(chunk);
          chunk.fill(0xee);
          start += size;
        }
        expect(read).toEqual(
          frames.map((sent, index) => ({ ...sent, lane: "normal", sequence: index + 1, body: sent.body })),
        );
        expect(reader.heldBytes).toBe(0);
      }),
    );
  });

  test("arrives byte by byte", () => {
    const { frames, reader } = collect();
    for (const byte of encode(text("one"), text(""), text("three"))) reader.push(Uint8Array.of(byte));
    expect(frames.map((each) => Buffer.from(each.body).toString())).toEqual(["one", "", "three"]);
  });
});

describe("the writer", () => {
  test("gathers small frames and sends about 16 KiB at a time", () => {
    const sizes: number[] = [];
    const writer = new FrameWriter("bulk", (bytes) => sizes.push(bytes.length));
    for (let count = 0; count < 1000; count++) writer.append({ type: 33, body: new Uint8Array(256) });
    // At the end of a slab a frame may not fit any more.
    expect(Math.min(...sizes)).toBeGreaterThan(FLUSH_BYTES - FRAME_HEADER_BYTES - 256 * 2);
    const gathered = sizes.reduce((sum, size) => sum + size, 0);
    expect(gathered + writer.pendingBytes).toBe(1000 * (FRAME_HEADER_BYTES + 256));
  });

  test("hands a large body on as it is, behind what was gathered", () => {
    const sent: Uint8Array[] = [];
    const writer = new FrameWriter("bulk", (bytes) => sent.push(bytes));
    const body = new Uint8Array(FLUSH_BYTES + 1);
    writer.append(text("first"));
    writer.append({ type: 33, body });
    expect(sent.map((bytes) => bytes.length)).toEqual([2 * FRAME_HEADER_BYTES + 5, body.length]);
    expect(sent[1]).toBe(body);
  });

  test("never writes again into what was sent", () => {
    const sent: { readonly bytes: Uint8Array; readonly copy: Uint8Array }[] = [];
    const writer = new FrameWriter("bulk", (bytes) => sent.push({ bytes, copy: Uint8Array.from(bytes) }));
    for (let count = 0; count < 2000; count++) {
      writer.append({ type: 33, body: new Uint8Array(count % 700).fill(count) });
      if (count % 7 === 0) writer.flush();
    }
    for (const { bytes, copy } of sent) expect(Buffer.compare(bytes, copy)).toBe(0);
  });

  test("refuses a body above 1 MiB and a type outside 1 to 255 before it counts them", () => {
    const writer = new FrameWriter("bulk", () => undefined);
    const large = new Uint8Array(FRAME_BYTES_MAX + 1);
    expect(failure(() => writer.append({ type: 33, body: large }))?.code).toBe("FRAME_TOO_LARGE");
    for (const type of [0, 256, 1.5, -1]) {
      expect(failure(() => writer.append({ type, body: new Uint8Array(0) }))?.code).toBe("INVALID_ARGUMENT");
    }
    expect(writer.sequence).toBe(0);
  });
});

describe("bad frames", () => {
  test.for([
    { name: "a length above the limit", changes: { 2: 0x10, 0: 1 }, code: "FRAME_TOO_LARGE" },
    { name: "the largest length there is", changes: { 0: 255, 1: 255, 2: 255, 3: 255 }, code: "FRAME_TOO_LARGE" },
    { name: "a type that does not exist", changes: { 4: 0 }, code: "FRAME_MALFORMED" },
    { name: "the number of another lane", changes: { 6: 3 }, code: "FRAME_MALFORMED" },
    { name: "a lane that does not exist", changes: { 6: 200 }, code: "FRAME_MALFORMED" },
    { name: "an unknown version", changes: { 7: 2 }, code: "FRAME_MALFORMED" },
    { name: "sequence 0", changes: { 8: 0 }, code: "FRAME_REPLAYED" },
    { name: "a gap in the sequence", changes: { 8: 2 }, code: "FRAME_MALFORMED" },
    { name: "a sequence beyond 2^53", changes: { 15: 255 }, code: "FRAME_MALFORMED" },
  ])("$name is refused at its header, also when it comes in pieces", ({ changes, code }) => {
    const header = altered(changes).subarray(0, FRAME_HEADER_BYTES);
    const whole = collect();
    expect(failure(() => whole.reader.push(header))?.code).toBe(code);
    const split = collect();
    split.reader.push(header.subarray(0, 7));
    expect(failure(() => split.reader.push(header.subarray(7)))?.code).toBe(code);
    expect([...whole.frames, ...split.frames]).toEqual([]);
  });

  test("a replayed frame is refused, and the stream with it", () => {
    const { frames, reader } = collect();
    const bytes = encode(text("once"));
    reader.push(bytes);
    expect(failure(() => reader.push(bytes))?.code).toBe("FRAME_REPLAYED");
    expect(failure(() => reader.push(encode(text("a"), text("b")).subarray(-25)))?.code).toBe("FRAME_REPLAYED");
    expect(frames).toHaveLength(1);
  });

  test("frames before a bad one are delivered, later ones never", () => {
    const { frames, reader } = collect();
    const good = encode(text("good"));
    const bytes = Buffer.concat([good, good]);
    expect(failure(() => reader.push(bytes))?.code).toBe("FRAME_REPLAYED");
    expect(frames).toHaveLength(1);
  });

  test("a header alone reserves little, however long the body it announces", () => {
    const { reader } = collect();
    const bytes = encode({ type: 33, body: new Uint8Array(FRAME_BYTES_MAX) });
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 100 }, () => collect().reader);
    for (const each of [reader, ...readers]) each.push(bytes.subarray(0, FRAME_HEADER_BYTES + 1));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(reader.heldBytes).toBe(FRAME_HEADER_BYTES + 1);
  });

  test("a truncated frame is never delivered", () => {
    const { frames, reader } = collect();
    reader.push(encode(text("the end is missing")).subarray(0, -1));
    expect(frames).toEqual([]);
  });
});

test("a reader that is closed by its own handler delivers nothing more", () => {
  let count = 0;
  const reader: FrameReader = new FrameReader({
    lane: "normal",
    onFrame: () => {
      count++;
      reader.close();
    },
  });
  reader.push(encode(text("a"), text("b")));
  reader.push(encode(text("a"), text("b")));
  expect(count).toBe(1);
  expect(reader.heldBytes).toBe(0);
});
