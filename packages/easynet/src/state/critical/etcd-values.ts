import { z } from "zod";
import { EasynetError } from "../../kernel/index.ts";
import { checkSchema } from "../../model/index.ts";
import type { CriticalEntry } from "./types.ts";

/** 64-bit numbers travel as decimal text, and 0 not at all; revisions stay far below 2^53. */
export const etcdNumber = z.coerce.number().int().nonnegative();

/** A key of etcd with its value, both in base64; an empty value is left out. */
export const kvSchema = z.object({
  key: z.string(),
  value: z.string().default(""),
  mod_revision: etcdNumber.default(0),
  lease: z.string().optional(),
});

export function base64(value: string | Uint8Array): string {
  return Buffer.from(value).toString("base64");
}

export function bytesOf(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, "base64"));
}

export function textOf(value: string): string {
  return Buffer.from(value, "base64").toString();
}

/** The entry without what stands before every key of ours. */
export function toEntry({ key, value, mod_revision }: z.infer<typeof kvSchema>, strip: string): CriticalEntry {
  return { key: textOf(key).slice(strip.length), value: bytesOf(value), revision: mod_revision };
}

/** The first key after all keys with this prefix, in base64: UTF-8 never has a byte 0xff. */
export function prefixEnd(prefix: string): string {
  const bytes = Buffer.from(prefix);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes.toString("base64");
}

/** @throws {EasynetError} NO_MAJORITY when it is nothing that etcd answers */
export function readAs<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const checked = checkSchema(schema, value);
  if (checked.success) return checked.data;
  throw notEtcd(checked.error);
}

/** @throws {EasynetError} NO_MAJORITY */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notEtcd(cause);
  }
}

function notEtcd(cause: unknown): EasynetError {
  return new EasynetError("NO_MAJORITY", { group: "etcd", reason: "what answers is not etcd, or not ours" }, { cause });
}
