import * as fc from "fast-check";
import { keyPairFromSeed } from "../../packages/easynet/src/identity/index.ts";
import {
  type AgentCard,
  type Capability,
  CAPABILITY_TYPES,
  DURABILITIES,
  type JsonSchema,
} from "../../packages/easynet/src/model/index.ts";

/** Keys of the generated agents and nodes; few, so that generating a card costs no key generation. */
export const CARD_KEYS = Array.from({ length: 8 }, (_, index) => keyPairFromSeed(new Uint8Array(32).fill(index + 1)));
const didArbitrary = fc.constantFrom(...CARD_KEYS.map(({ did }) => did));

/** Text with everything that JSON allows: emoji, control characters, empty. */
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.string({ unit: "grapheme", maxLength: Math.min(8, maxLength) }),
    fc.constantFrom("", "纸", "a/b~c", "\u2028"),
  );
const words = fc.array(text(20), { maxLength: 3 });
const amount = fc.double({ min: 0, max: 1e12, noNaN: true }).map((value) => value + 0);
const ratio = fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0);
const whole = fc.nat();
const stamp = fc.integer({ min: 0, max: 1_900_000_000_000 });

/** JSON objects with many empty values and odd keys, as schemas have them. */
const jsonArbitrary = fc.letrec<{ value: unknown; object: JsonSchema }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom("", null, true, false, 0, "x"),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("object"),
  ),
  object: fc.dictionary(
    fc
      .oneof(fc.constantFrom("type", "properties", "10", "9", "a/b", "~1", " ", "constructor"), text(6))
      .filter((key) => key !== "__proto__"),
    tie("value"),
    { maxKeys: 3, noNullPrototype: true },
  ),
})).object;

/** Any subset of the fields may be there, none of them undefined. */
const subset: { requiredKeys: []; noNullPrototype: true } = { requiredKeys: [], noNullPrototype: true };

const resources = fc.record(
  {
    cpuCores: amount,
    memoryMb: amount,
    gpuRequired: fc.boolean(),
    gpuMemoryMb: amount,
    specialHardware: words,
  },
  subset,
);

const cost = fc.record(
  {
    baseCost: amount,
    scalingFactor: amount,
    unit: fc.constantFrom("per_request", "per_image", "per_epoch", "per_token", "per_second"),
    currency: text(8),
    perInputToken: amount,
    discountRules: fc.array(fc.record({ fromCount: fc.integer({ min: 1, max: 1000 }), factor: ratio }), {
      maxLength: 2,
    }),
  },
  { requiredKeys: ["baseCost", "scalingFactor", "unit", "currency"], noNullPrototype: true },
);

const required = fc.record({
  description: text(50),
  version: text(10),
  capabilityType: fc.constantFrom(...CAPABILITY_TYPES),
  typeTags: words,
  tags: words,
  examples: words,
  summary: fc.record({ en: text(20), zh: text(20) }, subset),
  inputFormats: words,
  outputFormats: words,
  inputSchema: jsonArbitrary,
  streaming: fc.boolean(),
  sideEffects: fc.constantFrom("none", "local", "external"),
  idempotent: fc.boolean(),
  durability: fc.constantFrom(...DURABILITIES),
});

const extras = fc.record(
  {
    outputSchema: jsonArbitrary,
    parameters: words,
    needs: resources,
    performance: fc.record(
      {
        throughputPerSecond: amount,
        latencyMs: amount,
        accuracyRatio: ratio,
        reliabilityRatio: ratio,
        scalability: fc.constantFrom("constant", "logarithmic", "linear", "quadratic"),
      },
      subset,
    ),
    cost,
    quality: fc.record(
      { availabilityRatio: ratio, accuracyRatio: ratio, errorRatio: ratio, responseTimeSeconds: amount },
      subset,
    ),
    collaborationPatterns: fc.array(fc.constantFrom("pipeline", "ensemble"), { maxLength: 2 }),
    dependencies: words,
    contextLengthTokens: whole,
    languages: words,
    createdAtMs: stamp,
    updatedAtMs: stamp,
  },
  subset,
);

const nameArbitrary = fc.oneof(
  fc.constantFrom("add", "text/count", "10", "9", "constructor", "翻译", "a.b-c"),
  fc
    .string({ unit: fc.constantFrom("a", "b", "z", "0", "9", "_"), minLength: 1, maxLength: 8 })
    .filter((name) => name !== "__proto__"),
);

export const capabilityArbitrary: fc.Arbitrary<Capability> = fc
  .tuple(nameArbitrary, required, extras)
  .map(([name, must, may]) => ({ name, ...must, ...may }));

/** Any valid card; its id is one of {@link CARD_KEYS}. */
export const cardArbitrary: fc.Arbitrary<AgentCard> = fc
  .tuple(
    fc.record({
      id: didArbitrary,
      node: didArbitrary,
      name: text(20).map((name) => name || "agent"),
      description: text(50),
      version: text(10),
      agentType: text(10),
      capabilities: fc.uniqueArray(capabilityArbitrary, { maxLength: 3, selector: ({ name }) => name }),
      metadata: fc.dictionary(
        text(8).filter((key) => key !== "__proto__"),
        text(8),
        { maxKeys: 2, noNullPrototype: true },
      ),
      updatedAtMs: stamp,
    }),
    fc.record({ offers: resources }, subset),
  )
  .map(([must, may]) => ({ ...must, ...may }));
