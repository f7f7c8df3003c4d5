/** The messages of Maelstrom (jepsen-io/maelstrom, doc/protocol.md): one JSON object in each line. */

export interface MaelstromBody {
  readonly type: string;
  readonly msg_id?: number;
  readonly in_reply_to?: number;
  readonly [field: string]: unknown;
}

export interface MaelstromMessage {
  readonly src: string;
  readonly dest: string;
  readonly body: MaelstromBody;
}

/** Codes of errors. Only `timeout` and `crash` leave open whether the operation took place. */
export const ERROR_CODES = {
  timeout: 0,
  notSupported: 10,
  temporarilyUnavailable: 11,
  crash: 13,
  keyDoesNotExist: 20,
  preconditionFailed: 22,
} as const;

/** A request that is answered with an error. */
export class RequestError extends Error {
  readonly code: number;

  constructor(code: keyof typeof ERROR_CODES, text: string) {
    super(text);
    this.code = ERROR_CODES[code];
  }
}

export function parseMessage(line: string): MaelstromMessage {
  const message: unknown = JSON.parse(line);
  if (!isMessage(message)) throw new TypeError(`not a message of Maelstrom: ${line}`);
  return message;
}

function isMessage(value: unknown): value is MaelstromMessage {
  if (!isObject(value) || typeof value["src"] !== "string" || typeof value["dest"] !== "string") return false;
  return isObject(value["body"]) && typeof value["body"]["type"] === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
