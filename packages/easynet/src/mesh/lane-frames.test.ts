import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LANE_FRAME, LANE_FRAME_HEADER_BYTES, LaneFrameReader, writeLaneHeader } from "./lane-frames.ts";

interface Frame {
  readonly type: number;
  readonly id: number;
  readonly body: Uint8Array;
}

function encode({ type, id, body }: Frame): Uint8Array {
  const bytes = new Uint8Array(LANE_FRAME_HEADER_BYTES + body.length);
  writeLaneHeader(bytes, { type, length: body.length, id });
  bytes.set(body, LANE_FRAME_HEADER_BYTES);
  return bytes;
}

/** What a reader sees: data joined per lane, control frames with their place among the bytes. */
function read(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const seen: string[] = [];
  const reader = new LaneFrameReader({
    onData: (id, chunk) => void seen.push(...[...chunk].map((byte) => `${id}:${byte}`)),
    onControl: (type, id, body) => void seen.push(`${type} ${id} ${Buffer.from(body).toString("hex")}`),
  });
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((left, right) => left - right);
  let at = 0;
  for (const end of ends) {
    // One buffer for every chunk, as the socket does it: nothing may be kept from it.
    const chunk = Uint8Array.from(bytes.subarray(at, end));
    reader.push(chunk);
    chunk.fill(0xee);
    at = end;
  }
  return seen;
}

const frame = fc.record({
  type: fc.constantFrom(...Object.values(LANE_FRAME)),
  id: fc.nat({ max: 0xffff_ffff }),
  body: fc.uint8Array({ maxLength: 200 }),
});

describe("lane frames", () => {
  test("whatever the pieces a connection arrives in, the same frames come out", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map((one) => encode(one)));
        const expected = frames.flatMap(({ type, id, body }) =>
          type === LANE_FRAME.data
            ? [...body].map((byte) => `${id}:${byte}`)
            : [`${type} ${id} ${Buffer.from(body).toString("hex")}`],
        );
        expect(read(bytes, cuts)).toEqual(expected);
      }),
    );
  });

  test("a header is type, 24 bits of length and 32 bits of id, big-endian", () => {
    const header = new Uint8Array(LANE_FRAME_HEADER_BYTES);
    writeLaneHeader(header, { type: 3, length: 0x010203, id: 0x0a0b0c0d });
    expect(Buffer.from(header).toString("hex")).toBe("030102030a0b0c0d");
  });

  test("an unknown type and a long control frame are refused before anything is gathered", () => {
    expect(() => read(Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 1]), [])).toThrow(/type 9/);
    expect(() => read(Uint8Array.from([1, 0, 1, 1, 0, 0, 0, 1]), [])).toThrow(/too long/);
  });
});
