import { describe, expect, test } from "vitest";
import links from "../../../../docs/protocol/vectors/links.json" with { type: "json" };
import vectors from "../../../../docs/protocol/vectors/frames.json" with { type: "json" };
import { isEasynetError } from "../kernel/index.ts";
import { decodeValue, encodeValue } from "./codec.ts";
import { decodeEnvelope, encodeEnvelope } from "./envelope.ts";
import type { Envelope } from "./envelope-types.ts";
import { FRAME_TYPES } from "./frame-types.ts";
import type { Frame } from "./frame-header.ts";
import { FrameReader } from "./frame-reader.ts";
import { FrameWriter } from "./frame-writer.ts";
import { type Lane, LANES } from "./lanes.ts";
import { FRAME_BYTES_MAX, HELLO_BYTES_MAX, VALUE_DEPTH_MAX } from "./limits.ts";
import { PROTOCOL_VERSIONS } from "./version.ts";

/** These bytes are a promise to every node that runs: a red test here means that old and new nodes do not understand one another. */
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function laneOf(name: string | undefined): Lane {
  const lane = LANES.find((known) => known === name);
  if (!lane) throw new TypeError(`${name} is no lane`);
  return lane;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isEasynetError(error) ? error.code : String(error);
  }
  return "none";
}

describe("pinned numbers", () => {
  test("frame types, lanes, versions and limits", () => {
    expect(FRAME_TYPES).toEqual({
      hello: 1,
      welcome: 2,
      goodbye: 3,
      ping: 4,
      pong: 5,
      credit: 6,
      "directory-digest": 16,
      "directory-entries": 17,
      load: 18,
      "exchange-open": 32,
      "exchange-input": 33,
      "exchange-event": 34,
      "exchange-credit": 35,
      "exchange-cancel": 36,
      "join-request": 64,
      "join-answer": 65,
      "join-forward": 66,
      "join-forwarded": 67,
      "membership-renew": 68,
      "membership-renewed": 69,
      "identity-duplicated": 70,
      "join-asked": 71,
      "join-approved": 72,
      swim: 80,
      gossip: 81,
      "relay-open": 96,
      "relay-accept": 97,
      "relay-data": 98,
      "relay-credit": 99,
      "relay-close": 100,
      "seen-ask": 101,
      "seen-told": 102,
      "punch-offer": 103,
      "punch-answer": 104,
      moved: 105,
      "message-batch": 112,
      "message-ack": 113,
      "message-gap": 114,
      "message-watermarks": 115,
      "mail-keep": 116,
      "mail-kept": 117,
      mail: 118,
      "mail-taken": 119,
      "artifact-ask": 136,
      "artifact-have": 137,
      "artifact-want": 138,
      "artifact-block": 139,
      "artifact-missing": 140,
      "artifact-cancel": 141,
      "raft-messages": 144,
      "raft-snapshot": 145,
      "raft-ask": 146,
      "raft-answer": 147,
      "state-push": 148,
      "state-sync": 149,
      "state-entries": 150,
      "document-ask": 152,
      "document-part": 153,
    });
    expect(LANES).toEqual(["control", "high", "normal", "bulk"]);
    expect(PROTOCOL_VERSIONS).toEqual({ min: 1, max: 1 });
    expect([FRAME_BYTES_MAX, HELLO_BYTES_MAX, VALUE_DEPTH_MAX]).toEqual([1_048_576, 65_536, 64]);
  });
});

describe("vectors", () => {
  test.for(vectors.streams)("a stream on lane $frames.0.lane is written and read as pinned", ({ frames, hex }) => {
    const lane = laneOf(frames[0]?.lane);
    const sent: Uint8Array[] = [];
    const writer = new FrameWriter(lane, (bytes) => sent.push(bytes));
    for (const frame of frames) writer.append({ ...frame, body: bytesOf(frame.bodyHex) });
    writer.flush();
    expect(hexOf(Buffer.concat(sent))).toBe(hex);
    const read: unknown[] = [];
    const onFrame = ({ body, ...rest }: Frame): void => void read.push({ ...rest, bodyHex: hexOf(body) });
    new FrameReader({ lane, onFrame }).push(bytesOf(hex));
    expect(read).toEqual(frames.map((frame, index) => ({ ...frame, sequence: index + 1 })));
  });

  test.for(vectors.values)("the value $value is $hex", ({ value, hex }) => {
    expect(hexOf(encodeValue(value))).toBe(hex);
    expect(decodeValue(bytesOf(hex))).toEqual(value);
  });

  test("values that JSON does not know", () => {
    const values = [
      undefined,
      Uint8Array.of(1, 2, 255),
      5n,
      2n ** 64n,
      -(2n ** 70n),
      new Date("2023-11-14T22:13:20.123Z"),
      Float32Array.of(0.5, -1),
      Uint16Array.of(1, 258),
    ];
    expect(vectors.typedValues.map(({ hex }) => decodeValue(bytesOf(hex)))).toStrictEqual(values);
    expect(values.map((value) => hexOf(encodeValue(value)))).toEqual(vectors.typedValues.map(({ hex }) => hex));
  });

  test.for(vectors.envelopes)("the envelope of a $envelope.kind", ({ envelope, hex }) => {
    const read: Envelope = decodeEnvelope(bytesOf(hex));
    expect(read).toEqual(envelope);
    expect(hexOf(encodeEnvelope(read))).toBe(hex);
  });

  test.for(vectors.refusedStreams)("a stream with $name ends with $code", ({ hex, code }) => {
    const reader = new FrameReader({ lane: "normal", onFrame: () => undefined });
    expect(codeOf(() => reader.push(bytesOf(hex)))).toBe(code);
  });

  test.for(vectors.refusedValues)("a value with $name is refused with $code", ({ hex, code }) => {
    expect(codeOf(() => decodeValue(bytesOf(hex)))).toBe(code);
  });

  test("bodies of control frames are plain arrays", () => {
    const { hello, welcome, credit, goodbye } = links;
    for (const { hex } of [hello, welcome, credit, goodbye]) {
      expect(decodeValue(bytesOf(hex))).toBeInstanceOf(Array);
    }
  });
});
