import type { ErrorRow, ErrorStatus } from "./error-row.ts";
import { ERROR_TABLE, type ErrorCode } from "./error-table.ts";

/** Values that fill the placeholders of a row and travel with the error; plain data only. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

type Placeholders<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholders<Rest>
  : never;

/** The details that a code demands, derived from its sentence in the table. */
export type DetailsOf<Code extends ErrorCode> = [ErrorCode] extends [Code]
  ? ErrorDetails
  : Readonly<Record<Placeholders<(typeof ERROR_TABLE)[Code]["en"]>, string | number>> & ErrorDetails;

export interface ErrorOptions {
  readonly cause?: unknown;
  /** How long the caller should wait before it tries again, in ms. */
  readonly retryAfterMs?: number;
}

/** The form in which an error crosses links, HTTP and JSON output. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly details: ErrorDetails;
}

const BRAND = Symbol.for("easynet.error");

/** The only error class of easynet; test for it with {@link isEasynetError}, never with `instanceof`. */
export class EasynetError<Code extends ErrorCode = ErrorCode> extends Error {
  readonly code: Code;
  readonly status: ErrorStatus;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly details: ErrorDetails;

  constructor(code: Code, details: DetailsOf<Code>, options: ErrorOptions = {}) {
    const entry: ErrorRow = ERROR_TABLE[code];
    super(fill(entry.en, details), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "EasynetError";
    this.code = code;
    this.status = entry.status;
    this.retryable = entry.retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.details = details;
  }

  toJSON(): WireError {
    return { code: this.code, message: this.message, retryable: this.retryable, details: this.details };
  }
}
Object.defineProperty(EasynetError.prototype, BRAND, { value: true });

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) =>
    String(Object.hasOwn(details, name) ? details[name] : `{${name}}`),
  );
}

/** True for any EasynetError, also one made by another copy of this package; with `code`, only for that code. */
export function isEasynetError<Code extends ErrorCode = ErrorCode>(
  value: unknown,
  code?: Code,
): value is EasynetError<Code> {
  return (
    typeof value === "object" && value !== null && BRAND in value && "code" in value && (!code || value.code === code)
  );
}

/** The sentence of an error in the wanted language; unknown codes keep their own message. */
export function describeError(error: WireError, language: "en" | "zh"): string {
  const entry: ErrorRow | undefined = isErrorCode(error.code) ? ERROR_TABLE[error.code] : undefined;
  return entry ? fill(entry[language], error.details) : error.message;
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_TABLE, code);
}

/** Any thrown value as an EasynetError; what is not one already becomes INTERNAL with the original as its cause. */
export function toEasynetError(thrown: unknown): EasynetError {
  if (isEasynetError(thrown)) return thrown;
  return new EasynetError("INTERNAL", { reason: reasonOf(thrown) }, { cause: thrown });
}

function reasonOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    // Objects without a prototype, or with a broken toString, cannot be shown; the cause still holds them.
    return `a thrown ${typeof thrown} without a text`;
  }
}

/** Limits on the details of a received error: 32 entries, each text 2,000 characters; the rest is cut off. */
const WIRE_DETAILS_COUNT_MAX = 32;
const WIRE_TEXT_LENGTH_MAX = 2000;

/**
 * An error received from elsewhere, rebuilt under this node's table. The text of a peer is data, never trusted:
 * a known code gets our own sentence, an unknown one becomes INTERNAL and keeps its code in the details.
 * Never throws, whatever the fields hold.
 */
export function fromWireError(wire: WireError, origin: { readonly peer?: string } = {}): EasynetError {
  const details = { ...plainDetails(wire.details), ...(origin.peer !== undefined && { peerId: origin.peer }) };
  const code = clip(wire.code);
  if (isErrorCode(code)) return new EasynetError(code, details);
  return new EasynetError("INTERNAL", { ...details, reason: `${code}: ${clip(wire.message)}` });
}

/** Only what {@link ErrorDetails} allows: a nested value could break the sentence it is put into. */
function plainDetails(received: unknown): ErrorDetails {
  if (typeof received !== "object" || received === null) return {};
  const plain: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(received).slice(0, WIRE_DETAILS_COUNT_MAX)) {
    if (name === "__proto__" || name.length > 64) continue;
    if (typeof value === "string") plain[name] = clip(value);
    else if (typeof value === "number" || typeof value === "boolean") plain[name] = value;
  }
  return plain;
}

function clip(text: unknown): string {
  return typeof text === "string" ? text.slice(0, WIRE_TEXT_LENGTH_MAX) : typeof text;
}

/** A broken assumption of ours: crashes the operation, is never caught as a normal outcome. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new EasynetError("INTERNAL", { reason: sentence });
}
