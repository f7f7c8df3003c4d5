import { z } from "zod";
import { EasynetError } from "../../kernel/index.ts";
import { checkSchema, describeIssues, type Priority, prioritySchema } from "../../model/index.ts";
import type { MessageDurability } from "../delivery/types.ts";
import { KINDS_COUNT_MAX } from "./limits.ts";
import { SEED_KINDS } from "./seed-kinds.ts";

/** A kind of message as its author states it. */
export interface KindDefinition {
  /** Small letters, digits, and `-` or `.` between them, such as `order-placed`; 1 to 80 characters. */
  readonly name: string;
  /** What its payload must be, checked before it leaves and again before it is handled. @default anything */
  readonly schema?: z.ZodType;
  /** @default "disk" */
  readonly durability?: MessageDurability;
  /** @default "normal" */
  readonly priority?: Priority;
  /** How long it may be under way, 1 ms to 7 days. @default 300,000 */
  readonly expiresInMs?: number;
  /** The kind of what answers it; an answer that does not fit that kind never leaves. @default "response" */
  readonly answer?: string;
}

/** A kind with everything decided. */
export interface Kind extends Required<Omit<KindDefinition, "schema">> {
  readonly schema: z.ZodType | undefined;
}

/** By what it can do: an application's zod may be another copy than ours. */
function isSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null && "safeParse" in value && typeof value.safeParse === "function";
}

const definitionSchema = z.strictObject({
  name: z
    .string()
    .max(80)
    .regex(/^[a-z0-9]+([-.][a-z0-9]+)*$/, "small letters, digits, and - or . between them"),
  schema: z.custom<z.ZodType>(isSchema, "not a zod schema").optional(),
  durability: z.enum(["volatile", "process", "disk"]).default("disk"),
  priority: prioritySchema.default("normal"),
  expiresInMs: z.number().min(1).max(604_800_000).default(300_000),
  answer: z.string().max(80).default("response"),
});

/** The kinds of messages that are known here: those of the first designs, and what an application adds. */
export class KindRegistry {
  readonly #kinds = new Map<string, Kind>();

  constructor() {
    for (const definition of SEED_KINDS) this.define(definition);
  }

  /** Adds a kind of an application. @throws {EasynetError} KIND_EXISTS, INVALID_ARGUMENT, OVERLOADED */
  define(definition: KindDefinition): Kind {
    const parsed = checkSchema(definitionSchema, definition);
    if (!parsed.success) {
      throw new EasynetError("INVALID_ARGUMENT", {
        subject: "The kind of message",
        reason: describeIssues(parsed.error),
      });
    }
    const { schema, ...rest } = parsed.data;
    if (this.#kinds.has(rest.name)) throw new EasynetError("KIND_EXISTS", { kind: rest.name });
    if (this.#kinds.size >= KINDS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The list of message kinds", queued: this.#kinds.size });
    }
    const kind: Kind = { ...rest, schema };
    this.#kinds.set(kind.name, kind);
    return kind;
  }

  get(name: string): Kind | undefined {
    return this.#kinds.get(name);
  }

  names(): readonly string[] {
    return [...this.#kinds.keys()];
  }

  /** @throws {EasynetError} KIND_UNKNOWN */
  require(name: string): Kind {
    const kind = this.#kinds.get(name);
    if (kind) return kind;
    throw new EasynetError("KIND_UNKNOWN", { kind: name.slice(0, 120) });
  }

  /** Whether a payload is what its kind says; of a kind that is not known here anything is. @throws {EasynetError} PAYLOAD_INVALID */
  check(name: string, payload: unknown): void {
    const schema = this.#kinds.get(name)?.schema;
    if (!schema) return;
    const result = checkSchema(schema, payload);
    if (!result.success) {
      throw new EasynetError("PAYLOAD_INVALID", { kind: name, reason: describeIssues(result.error) });
    }
  }

  /** The name for counters: kinds that nobody defined share one, because anyone can make them up. */
  label(name: string): string {
    return this.#kinds.has(name) ? name : "undefined";
  }
}
