import type { RawData } from "ws";
import { EasynetError } from "../kernel/index.ts";
import { LOCAL_SUBPROTOCOLS, type NodeMessage, parseJson, stringifyJson } from "../node/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";

/** How messages of one connection are written; agreed on at the WebSocket upgrade. */
export interface MessageFormat {
  readonly subprotocol: string;
  encode(message: NodeMessage): string | Uint8Array;
  /** @throws {EasynetError} INVALID_ARGUMENT */
  decode(data: RawData, isBinary: boolean): unknown;
}

const json: MessageFormat = {
  subprotocol: LOCAL_SUBPROTOCOLS.json,
  encode: stringifyJson,
  decode(data, isBinary) {
    if (isBinary) throw malformed("it is binary, but easynet.json is text");
    return parseJson(bytesOf(data).toString("utf8"));
  },
};

const msgpack: MessageFormat = {
  subprotocol: LOCAL_SUBPROTOCOLS.msgpack,
  encode: encodeValue,
  decode(data, isBinary) {
    if (!isBinary) throw malformed("it is text, but easynet.msgpack is binary");
    try {
      return decodeValue(bytesOf(data));
    } catch {
      // The decoder's own message can hold parts of the payload, so it is not passed on.
      throw malformed("it is not MessagePack");
    }
  },
};

/** The format for the subprotocols a process offers, JSON when it offers none; undefined when we know none of them. */
export function chooseFormat(offered: ReadonlySet<string>): MessageFormat | undefined {
  if (offered.has(msgpack.subprotocol)) return msgpack;
  return offered.size === 0 || offered.has(json.subprotocol) ? json : undefined;
}

function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

function malformed(reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject: "The message", reason });
}
