import { type Did, parseDid } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { NodeStatus } from "../model/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import type { SwimMessage, SwimUpdate } from "./swim-types.ts";

/** First number of a `swim` body (docs/protocol/liveness.md). */
const KIND = { probe: 1, ack: 2, ask: 3, relayed: 4, news: 5, digest: 6, list: 7 } as const;
/** By their number on the wire. */
const STATUSES: readonly NodeStatus[] = ["alive", "suspect", "dead", "left", "maintenance"];
/** Updates that a frame may hold; more is refused as malformed. A longer list travels in several. */
const UPDATES_COUNT_MAX = 1000;
/** Texts known to be dids; at the limit all are forgotten. */
const DIDS_COUNT_MAX = 10_000;

/** One body, or several for a long list. */
export function encodeSwim(message: SwimMessage): Uint8Array[] {
  switch (message.kind) {
    case "probe":
    case "ack":
      return [encodeValue([KIND[message.kind], message.probe, message.updates.map(fieldsOf)])];
    case "ask":
      return [encodeValue([KIND.ask, message.probe, message.target, message.updates.map(fieldsOf)])];
    case "relayed":
      return [encodeValue([KIND.relayed, message.probe, message.answered])];
    case "news":
      return [encodeValue([KIND.news, message.updates.map(fieldsOf)])];
    case "digest":
      return [encodeValue([KIND.digest, message.salt, message.sum, message.updates.map(fieldsOf)])];
    case "list":
      break;
  }
  return listPages(message);
}

function listPages({ answer, updates }: Extract<SwimMessage, { kind: "list" }>): Uint8Array[] {
  const pages: Uint8Array[] = [];
  for (let start = 0; start === 0 || start < updates.length; start += UPDATES_COUNT_MAX) {
    const page = updates.slice(start, start + UPDATES_COUNT_MAX);
    const isLast = start + UPDATES_COUNT_MAX >= updates.length;
    pages.push(encodeValue([KIND.list, answer && isLast, page.map(fieldsOf)]));
  }
  return pages;
}

function fieldsOf({ did, epoch, incarnation, status, by }: SwimUpdate): readonly unknown[] {
  const fields = [did, epoch, incarnation, STATUSES.indexOf(status)];
  return by === did ? fields : [...fields, by];
}

/** Reads bodies of one node's peers. */
export class SwimDecoder {
  readonly #dids = new Map<string, Did>();

  /** @throws {EasynetError} FRAME_MALFORMED, INVALID_ARGUMENT for what is no did */
  decode(body: Uint8Array): SwimMessage {
    const [kind, first, second, third] = list(decodeValue(body), 8);
    switch (kind) {
      case KIND.probe:
        return { kind: "probe", probe: count(first), updates: this.#updates(second) };
      case KIND.ack:
        return { kind: "ack", probe: count(first), updates: this.#updates(second) };
      case KIND.ask:
        return { kind: "ask", probe: count(first), target: this.#did(second), updates: this.#updates(third) };
      case KIND.relayed:
        return { kind: "relayed", probe: count(first), answered: second === true };
      case KIND.news:
        return { kind: "news", updates: this.#updates(first) };
      case KIND.digest:
        return { kind: "digest", salt: count(first), sum: count(second), updates: this.#updates(third) };
      case KIND.list:
        return { kind: "list", answer: first === true, updates: this.#updates(second) };
      default:
        throw malformed("its kind is unknown");
    }
  }

  #updates(value: unknown): SwimUpdate[] {
    return list(value, UPDATES_COUNT_MAX).map((item) => {
      const [did, epoch, incarnation, statusIndex, by] = list(item, 8);
      const status = typeof statusIndex === "number" ? STATUSES[statusIndex] : undefined;
      if (!status) throw malformed("a status");
      const member = this.#did(did);
      const accuser = by === undefined ? member : this.#did(by);
      return { did: member, epoch: count(epoch), incarnation: count(incarnation), status, by: accuser };
    });
  }

  #did(value: unknown): Did {
    const text = typeof value === "string" ? value : "";
    const known = this.#dids.get(text);
    if (known) return known;
    const did = parseDid(text);
    if (this.#dids.size >= DIDS_COUNT_MAX) this.#dids.clear();
    this.#dids.set(text, did);
    return did;
  }
}

function list(value: unknown, countMax: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > countMax) throw malformed("a list");
  return value;
}

/** Half of what is exact, so that raising one never leaves the exact numbers. */
const COUNT_MAX = 2 ** 52;

function count(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= COUNT_MAX) return value;
  throw malformed("a number");
}

function malformed(what: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `liveness message: ${what}` });
}
