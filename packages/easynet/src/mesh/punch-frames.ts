/** The frames by which two members agree to dial each other at the same moment (docs/protocol/punch.md). */
import { isIP } from "node:net";
import { EasynetError } from "../kernel/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";

/** Where one end's packets will come from. */
export interface PunchEnd {
  /** IPv4 or IPv6, without brackets. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
}

export function encodePunchEnd({ host, port }: PunchEnd): Uint8Array {
  return encodeValue([host, port]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodePunchEnd(body: Uint8Array): PunchEnd {
  const [host, port] = arrayOf(decodeValue(body));
  const isPort = typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65_535;
  if (!isHost(host) || !isPort) throw malformed("the end of a punch");
  return { host, port };
}

export function encodeSeenHost(host: string): Uint8Array {
  return encodeValue([host]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeSeenHost(body: Uint8Array): string {
  const [host] = arrayOf(decodeValue(body));
  if (!isHost(host)) throw malformed("a seen address");
  return host;
}

function isHost(value: unknown): value is string {
  return typeof value === "string" && isIP(value) !== 0;
}

function arrayOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw malformed("a punch frame");
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `${what} cannot be read` });
}
