import { z } from "zod";
import { type Did, isDid } from "../../identity/index.ts";
import { checkSchema, prioritySchema } from "../../model/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import type { Received } from "./received.ts";

const text = z.string();
const optionalText = text.nullable().transform((value) => value ?? undefined);
const rowSchema = z.tuple([
  z.custom<Did>((value) => typeof value === "string" && isDid(value)),
  text,
  text,
  z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  prioritySchema,
  z.enum(["volatile", "process", "disk"]),
  z.number(),
  z.number(),
  z.number(),
  optionalText,
  optionalText,
  optionalText,
]);

/** A message as a row of our store. */
export function toRow(received: Received): Uint8Array {
  const { sender, id, kind, payload, priority, durability, attempt, sentAtMs, expiresAtMs, from, to } = received;
  const fields = [sender, id, kind, payload, priority, durability, attempt, sentAtMs, expiresAtMs, from, to];
  return encodeValue([...fields, received.correlationId].map((field) => field ?? null));
}

/** Undefined for a row that another version wrote. */
export function fromRow(bytes: Uint8Array): Received | undefined {
  const parsed = checkSchema(rowSchema, decodeValue(bytes));
  if (!parsed.success) return undefined;
  const [sender, id, kind, payload, priority, durability, attempt, ...rest] = parsed.data;
  const [sentAtMs, expiresAtMs, from, to, correlationId] = rest;
  const what = { sender, id, kind, payload, priority, durability };
  return { ...what, attempt, sentAtMs, expiresAtMs, from, to, correlationId };
}
