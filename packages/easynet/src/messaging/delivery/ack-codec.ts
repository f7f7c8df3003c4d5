import { EasynetError } from "../../kernel/index.ts";
import { NUMBER_MAX } from "./limits.ts";
import type { Position } from "./position.ts";

/** What the recipient of messages tells of one lane. */
export interface LaneReport {
  /** 0 (critical) to 3 (low). */
  readonly lane: number;
  /** Everything up to here is taken, as safely as it asked for. */
  readonly position: Position;
  /** Bytes beyond it that the recipient has room for. */
  readonly windowBytes: number;
}

const VERSION = 1;
const REPORT_BYTES = 1 + 6 + 6 + 6;
const LANES_COUNT = 4;

/** Body of `message-ack`, `message-gap` and `message-watermarks`. */
export function encodeReports(reports: readonly LaneReport[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(1 + reports.length * REPORT_BYTES);
  bytes[0] = VERSION;
  let offset = 1;
  for (const { lane, position, windowBytes } of reports) {
    bytes[offset] = lane;
    bytes.writeUIntLE(position.epoch, offset + 1, 6);
    bytes.writeUIntLE(position.sequence, offset + 7, 6);
    bytes.writeUIntLE(Math.min(NUMBER_MAX, Math.max(0, Math.floor(windowBytes))), offset + 13, 6);
    offset += REPORT_BYTES;
  }
  return bytes;
}

/** One to four lanes, each once. @throws {EasynetError} FRAME_MALFORMED */
export function decodeReports(body: Uint8Array): readonly LaneReport[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const count = (bytes.length - 1) / REPORT_BYTES;
  if (bytes[0] !== VERSION || !Number.isInteger(count) || count < 1 || count > LANES_COUNT) {
    throw new EasynetError("FRAME_MALFORMED", { reason: "a report of lanes has another form" });
  }
  const reports: LaneReport[] = [];
  let seen = 0;
  for (let offset = 1; offset < bytes.length; offset += REPORT_BYTES) {
    const lane = bytes[offset] ?? 255;
    if (lane >= LANES_COUNT || seen & (1 << lane)) {
      throw new EasynetError("FRAME_MALFORMED", { reason: "a report names a lane that it may not" });
    }
    seen |= 1 << lane;
    const position = { epoch: bytes.readUIntLE(offset + 1, 6), sequence: bytes.readUIntLE(offset + 7, 6) };
    reports.push({ lane, position, windowBytes: bytes.readUIntLE(offset + 13, 6) });
  }
  return reports;
}
