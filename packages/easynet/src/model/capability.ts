import { z } from "zod";
import { jsonProblem } from "./json-limits.ts";

/** Levels and characters of one JSON Schema; 64 Ki characters are a quarter of the largest card. */
export const SCHEMA_LIMITS = { depthMax: 32, lengthMax: 65_536 } as const;

/** JSON Schema 2020-12 as a JSON object within {@link SCHEMA_LIMITS}; what it says is checked where it is used. */
export const jsonSchemaSchema = z.record(z.string(), z.unknown()).superRefine((schema, context) => {
  const problem = jsonProblem(schema, SCHEMA_LIMITS);
  if (problem !== undefined) context.addIssue({ code: "custom", message: `it holds ${problem}` });
});
export type JsonSchema = z.infer<typeof jsonSchemaSchema>;

const ratio = z.number().min(0).max(1);
const text = (lengthMax: number) => z.string().max(lengthMax);
const words = (countMax: number) => z.array(text(120)).max(countMax);

export const CAPABILITY_TYPES = [
  "computation",
  "data_processing",
  "machine_learning",
  "image_processing",
  "video_processing",
  "natural_language",
  "audio_processing",
  "scientific_computing",
  "web_scraping",
  "database_operations",
] as const;

/** What a machine has, or what work needs; the same fields, two places. */
export const resourcesSchema = z.strictObject({
  cpuCores: z.number().min(0).optional(),
  memoryMb: z.number().min(0).optional(),
  /** Absent = false. */
  gpuRequired: z.boolean().optional(),
  gpuMemoryMb: z.number().min(0).optional(),
  diskSpaceMb: z.number().min(0).optional(),
  networkBandwidthMbps: z.number().min(0).optional(),
  specialHardware: words(32).optional(),
});
export type Resources = z.infer<typeof resourcesSchema>;

/** Measured or promised speed. Prose such as "<50ms" is accepted from people at the edge only, never here. */
export const performanceSchema = z.strictObject({
  throughputPerSecond: z.number().min(0).optional(),
  latencyMs: z.number().min(0).optional(),
  accuracyRatio: ratio.optional(),
  reliabilityRatio: ratio.optional(),
  scalability: z.enum(["constant", "logarithmic", "linear", "quadratic"]).optional(),
});

/** The rule with the largest `fromCount` that the number of units reaches applies to the whole quote. */
export const discountRuleSchema = z.strictObject({
  fromCount: z.number().int().min(1),
  factor: ratio,
});

export const costSchema = z.strictObject({
  /** Price of one unit before scaling and discounts. */
  baseCost: z.number().min(0).default(1),
  /** Multiplies the base cost. */
  scalingFactor: z.number().min(0).default(1),
  unit: z.enum(["per_request", "per_image", "per_epoch", "per_token", "per_second"]).default("per_request"),
  /** ISO 4217 code, or `credits`. */
  currency: text(16).default("credits"),
  perInputToken: z.number().min(0).optional(),
  perOutputToken: z.number().min(0).optional(),
  discountRules: z.array(discountRuleSchema).max(16).optional(),
});

export const qualitySchema = z.strictObject({
  availabilityRatio: ratio.optional(),
  accuracyRatio: ratio.optional(),
  errorRatio: ratio.optional(),
  consistencyRatio: ratio.optional(),
  responseTimeSeconds: z.number().min(0).optional(),
});

export const DURABILITIES = ["volatile", "process", "disk"] as const;
export const durabilitySchema = z.enum(DURABILITIES);
export type Durability = z.infer<typeof durabilitySchema>;

/** What happens outside the function when it runs; anything but `none` is never repeated by itself. */
export const sideEffectsSchema = z.enum(["none", "local", "external"]);

export const COLLABORATION_PATTERNS = ["pipeline", "ensemble", "distributed_training", "federated_learning"] as const;

/**
 * One thing an agent can do. Unknown fields are refused, here and in everything inside: a signature covers what was
 * parsed, so a field that this version does not know could not be checked (docs/protocol/cards.md). An A2A
 * `AgentSkill`, and under our extension everything that A2A lacks.
 */
export const capabilitySchema = z.strictObject({
  /** What callers name: letters, digits, `_ - . /`. */
  name: z
    .string()
    .min(1)
    .max(120)
    .regex(/^(?!__proto__$)[\p{L}\p{N}_][\p{L}\p{N}_./-]*$/u),
  description: text(2000),
  version: text(40).default("1.0.0"),
  capabilityType: z.enum(CAPABILITY_TYPES),
  /** Semantic types of what it works on, e.g. `text/markdown`, `code/typescript`. */
  typeTags: words(32),
  tags: words(32),
  examples: z.array(text(500)).max(16),
  summary: z.strictObject({ en: text(500).optional(), zh: text(500).optional() }),
  inputFormats: words(32),
  outputFormats: words(32),
  inputSchema: jsonSchemaSchema,
  outputSchema: jsonSchemaSchema.optional(),
  /** Names of the parameters in positional order; absent when the function takes any number. */
  parameters: z.array(text(120)).max(64).optional(),
  streaming: z.boolean(),
  sideEffects: sideEffectsSchema,
  /** True when running it twice with the same input does no harm: only then may another provider take over. */
  idempotent: z.boolean(),
  durability: durabilitySchema,
  needs: resourcesSchema.optional(),
  performance: performanceSchema.optional(),
  cost: costSchema.optional(),
  quality: qualitySchema.optional(),
  collaborationPatterns: z.array(z.enum(COLLABORATION_PATTERNS)).max(8).optional(),
  /** Names of capabilities that must be in reach for this one to be ready. */
  dependencies: words(32).optional(),
  contextLengthTokens: z.number().int().min(0).optional(),
  /** BCP 47 tags, or `*` for any. */
  languages: words(64).optional(),
  createdAtMs: z.number().int().min(0).optional(),
  updatedAtMs: z.number().int().min(0).optional(),
});
export type Capability = z.infer<typeof capabilitySchema>;

/**
 * A capability from what is said of it: what is left out gets the mildest default, so whoever cannot vouch for that
 * (no effects, repeatable) has to say otherwise. Nothing is checked here.
 */
export function capabilityWith(given: Partial<Capability> & Pick<Capability, "name">): Capability {
  return {
    description: "",
    version: "1.0.0",
    capabilityType: "computation",
    typeTags: [],
    tags: [],
    examples: [],
    summary: {},
    inputFormats: [],
    outputFormats: [],
    inputSchema: { type: "object" },
    streaming: false,
    sideEffects: "none",
    idempotent: true,
    durability: "volatile",
    ...given,
  };
}
