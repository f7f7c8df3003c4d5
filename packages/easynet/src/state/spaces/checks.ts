import { z } from "zod";
import { parseDid } from "../../identity/index.ts";
import { EasynetError } from "../../kernel/index.ts";
import { checkSchema, describeIssues } from "../../model/index.ts";
import {
  HISTORY_COUNT_MAX,
  REPLICAS_COUNT_MAX,
  SPACE_NAME_LENGTH_MAX,
  STATE_KEY_BYTES_MAX,
  STATE_VALUE_BYTES_MAX,
} from "./limits.ts";
import { DEFAULT_SPACE, MERGE_RULES, type SpaceSpec } from "./types.ts";

const whole = (least: number, most: number) => z.number().int().min(least).max(most);

/** A declaration as a caller or a peer gives it; what is absent is as in DEFAULT_SPACE. */
export const spaceSpecSchema = z.strictObject({
  merge: z.enum(MERGE_RULES).optional(),
  replicas: z
    .union([z.literal("everyone"), z.array(z.string().max(100)).min(1).max(REPLICAS_COUNT_MAX)])
    .optional()
    .describe("Every member, or the did:key of 1 to 64 nodes."),
  entriesMax: whole(1, 1_000_000).optional(),
  bytesMax: whole(1024, 2 ** 30).optional(),
  valueBytesMax: whole(1, STATE_VALUE_BYTES_MAX).optional(),
  historyMax: whole(0, HISTORY_COUNT_MAX).optional(),
});

/** @throws {EasynetError} INVALID_ARGUMENT */
export function specFrom(value: unknown): SpaceSpec {
  const read = checkSchema(spaceSpecSchema, value);
  if (!read.success) throw invalid("The declaration of a space", describeIssues(read.error));
  const { replicas = DEFAULT_SPACE.replicas, ...rest } = read.data;
  const given = Object.fromEntries(Object.entries(rest).filter(([, each]) => each !== undefined));
  const named = replicas === "everyone" ? replicas : [...new Set(replicas.map(parseDid))].sort();
  return { ...DEFAULT_SPACE, ...given, replicas: named };
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function checkName(name: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) || name.length > SPACE_NAME_LENGTH_MAX) {
    throw invalid("The name of a space", "it is 1 to 64 letters, digits, dots, dashes and underscores");
  }
}

/** @throws {EasynetError} INVALID_ARGUMENT */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  // Control characters divide keys from what stands behind them in the store.
  const isClean = key.isWellFormed() && !/\p{Cc}/u.test(key);
  if (bytes < 1 || bytes > STATE_KEY_BYTES_MAX || !isClean) {
    throw invalid("The key", `it is 1 to ${STATE_KEY_BYTES_MAX} bytes of text without control characters`);
  }
}

/** A whole number of an option. @throws {EasynetError} INVALID_ARGUMENT */
export function checkWhole(
  value: number,
  { subject, least, most }: { readonly subject: string; readonly least: number; readonly most: number },
): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(subject, `it is a whole number from ${least} to ${most}`);
}

export function invalid(subject: string, reason: string): EasynetError {
  return new EasynetError("INVALID_ARGUMENT", { subject, reason });
}
