import { describe, expect, test } from "vitest";
import { CARD_KEYS } from "../../../../test/arbitraries/agent-card.ts";
import { sampleCard } from "../../../../test/arbitraries/sample-card.ts";
import { verifies } from "../../../../test/requirements.ts";
import { agentCardSchema, signedCardSchema } from "./agent-card.ts";
import { type Capability, CAPABILITY_TYPES, capabilitySchema, costSchema, resourcesSchema } from "./capability.ts";
import { nodeRecordSchema } from "./node-record.ts";
import { budgetSchema } from "./task.ts";

const sample = (): Capability => sampleCard().capabilities[0]!;
const problemsOf = (value: unknown): string[] =>
  capabilitySchema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`) ?? [];

describe("the record of an agent", () => {
  verifies("identity:id:record");

  test("holds its key, names, type, version, node, capabilities and labels", () => {
    const card = agentCardSchema.parse(sampleCard());
    expect(card).toMatchObject({
      id: CARD_KEYS[0]!.did,
      name: "counter@amber",
      agentType: "function",
      version: "0.1.0",
      node: CARD_KEYS[1]!.did,
      capabilities: [{ name: "text/count" }],
      metadata: { team: "text" },
    });
  });

  test.each([
    ["an id that is no did:key", { id: "codex-1f" }],
    ["a numeric id", { id: 7 }],
    ["no name", { name: "" }],
    ["65 labels", { metadata: Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, "v"])) }],
    ["a label that is not text", { metadata: { a: 1 } }],
    ["a stamp before 1970", { updatedAtMs: -1 }],
    ["half a millisecond", { updatedAtMs: 0.5 }],
    ["an unknown field", { publicKey: "x" }],
  ])("is refused with %s", (_what, patch) => {
    expect(agentCardSchema.safeParse({ ...sampleCard(), ...patch }).success).toBe(false);
  });
});

describe("a capability", () => {
  verifies("model:capability:fields");

  test("describes everything that the founding documents name, as plain JSON", () => {
    const full = {
      ...sample(),
      cost: { ...sample().cost, perInputToken: 0.000_002, perOutputToken: 0.000_002 },
      contextLengthTokens: 128_000,
      languages: ["python", "javascript", "*"],
      dependencies: ["text/read"],
      createdAtMs: 1,
      updatedAtMs: 2,
    };
    expect(JSON.parse(JSON.stringify(capabilitySchema.parse(full)))).toEqual(full);
    // Left the field of the documents, right ours.
    const fields: Record<string, keyof Capability> = {
      name: "name",
      capabilityType: "capabilityType",
      description: "description",
      version: "version",
      functionSignatures: "parameters",
      inputFormats: "inputFormats",
      outputFormats: "outputFormats",
      inputSchema: "inputSchema",
      outputSchema: "outputSchema",
      resourceRequirements: "needs",
      performanceMetrics: "performance",
      costModel: "cost",
      qualityGuarantees: "quality",
      collaborationPatterns: "collaborationPatterns",
      dependencies: "dependencies",
      tags: "tags",
      createdAt: "createdAtMs",
      updatedAt: "updatedAtMs",
      costPerToken: "cost",
      maxContextLength: "contextLengthTokens",
      supportedLanguages: "languages",
    };
    for (const field of Object.values(fields)) expect(full).toHaveProperty(field);
  });

  test("has version 1.0.0 unless it says another", () => {
    const { version: _, ...rest } = sample();
    expect(capabilitySchema.parse(rest).version).toBe("1.0.0");
  });

  test.each(["add", "text/count", "翻译", "图像.分类-v2", "_private", "10", "a".repeat(120)])(
    "may be called %s",
    (name) => {
      expect(problemsOf({ ...sample(), name })).toEqual([]);
    },
  );

  test.each(["", " ", "a b", "/a", "-a", ".a", "a\n", "a\u0000", "__proto__", "a".repeat(121), "a%"])(
    "may not be called %j",
    (name) => {
      expect(problemsOf({ ...sample(), name })).toHaveLength(name === "" ? 2 : 1);
    },
  );

  test.each([
    ["an unknown field", { skill: 1 }],
    ["an unknown field inside", { cost: { ...sample().cost, tax: 1 } }],
    ["33 tags", { tags: Array.from({ length: 33 }, () => "t") }],
    ["a long tag", { tags: ["t".repeat(121)] }],
    ["a long description", { description: "d".repeat(2001) }],
    ["17 examples", { examples: Array.from({ length: 17 }, () => "e") }],
    ["65 parameters", { parameters: Array.from({ length: 65 }, () => "p") }],
    ["a summary in a third language", { summary: { fr: "compter" } }],
    ["a schema that is a list", { inputSchema: [] }],
    ["a schema of 33 levels", { inputSchema: nested(33) }],
    ["a schema of 64 Ki characters", { inputSchema: { description: "d".repeat(65_536) } }],
    ["a schema with bytes", { inputSchema: { default: new Uint8Array(1) } }],
    ["a durability of another kind", { durability: "tape" }],
    ["a negative context length", { contextLengthTokens: -1 }],
  ])("is refused with %s", (_what, patch) => {
    expect(problemsOf({ ...sample(), ...patch })).not.toEqual([]);
  });

  test("may have a schema of 32 levels", () => {
    expect(problemsOf({ ...sample(), inputSchema: nested(32) })).toEqual([]);
  });
});

describe("a capability's type", () => {
  verifies("model:capability:types");

  test("is one of the ten", () => {
    expect(CAPABILITY_TYPES).toEqual([
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
    ]);
    for (const capabilityType of CAPABILITY_TYPES) expect(problemsOf({ ...sample(), capabilityType })).toEqual([]);
    expect(problemsOf({ ...sample(), capabilityType: "magic" })).toHaveLength(1);
  });
});

describe("resources", () => {
  verifies("model:capability:resources");

  test("are needed by a capability and offered by a machine in the same terms", () => {
    const resources = {
      cpuCores: 4,
      memoryMb: 2048,
      gpuRequired: true,
      gpuMemoryMb: 4096,
      diskSpaceMb: 100,
      networkBandwidthMbps: 50,
      specialHardware: ["tpu"],
    };
    expect(capabilitySchema.parse({ ...sample(), needs: resources }).needs).toEqual(resources);
    expect(agentCardSchema.parse({ ...sampleCard(), offers: resources }).offers).toEqual(resources);
    expect(
      nodeRecordSchema.parse({
        owner: CARD_KEYS[0]!.did,
        name: "amber-fox",
        version: "0.1.0",
        addresses: [],
        offers: resources,
        cards: [],
      }).offers,
    ).toEqual(resources);
  });

  test.each([
    { cpuCores: -1 },
    { memoryMb: Number.NaN },
    { memoryMb: Number.POSITIVE_INFINITY },
    { gpuRequired: "yes" },
    { quantum: 1 },
  ])("are refused as %j", (resources) => {
    expect(resourcesSchema.safeParse(resources).success).toBe(false);
  });
});

describe("performance", () => {
  verifies("model:capability:performance");

  test.each(["constant", "logarithmic", "linear", "quadratic"])(
    "is numbers with units, and %s growth",
    (scalability) => {
      const performance = {
        throughputPerSecond: 50,
        latencyMs: 2000,
        accuracyRatio: 0.95,
        reliabilityRatio: 0.99,
        scalability,
      };
      expect(capabilitySchema.parse({ ...sample(), performance }).performance).toEqual(performance);
    },
  );

  test.each([
    { latencyMs: "<50ms" },
    { accuracyRatio: 1.01 },
    { reliabilityRatio: -0.1 },
    { throughputPerSecond: "2 hours" },
  ])("is refused as %j", (performance) => {
    expect(problemsOf({ ...sample(), performance })).toHaveLength(1);
  });
});

describe("a cost", () => {
  verifies("model:capability:cost");

  test("is one credit per request unless it says otherwise", () => {
    expect(costSchema.parse({})).toEqual({ baseCost: 1, scalingFactor: 1, unit: "per_request", currency: "credits" });
  });

  test.each(["per_request", "per_image", "per_epoch", "per_token"])("may count %s", (unit) => {
    expect(costSchema.parse({ unit, baseCost: 0.1, scalingFactor: 1.2 })).toMatchObject({
      unit,
      baseCost: 0.1,
      scalingFactor: 1.2,
    });
  });

  test.each([
    { baseCost: -1 },
    { unit: "per_wish" },
    { discountRules: [{ fromCount: 0, factor: 0.9 }] },
    { discountRules: [{ fromCount: 10, factor: 1.1 }] },
  ])("is refused as %j", (cost) => {
    expect(costSchema.safeParse(cost).success).toBe(false);
  });
});

describe("quality", () => {
  verifies("model:capability:quality");

  test("is promised as ratios and seconds", () => {
    const quality = {
      availabilityRatio: 0.999,
      accuracyRatio: 0.95,
      errorRatio: 0.01,
      consistencyRatio: 1,
      responseTimeSeconds: 2,
    };
    expect(capabilitySchema.parse({ ...sample(), quality }).quality).toEqual(quality);
    for (const field of ["availabilityRatio", "accuracyRatio", "errorRatio", "consistencyRatio"]) {
      expect(problemsOf({ ...sample(), quality: { [field]: 99.9 } })).toHaveLength(1);
    }
  });
});

test("a signed card has a signature of bounded size and nothing else beside its card", () => {
  const signed = { card: sampleCard(), signature: { protected: "a", signature: "b" } };
  expect(signedCardSchema.safeParse(signed).success).toBe(true);
  expect(signedCardSchema.safeParse({ ...signed, trusted: true }).success).toBe(false);
  expect(
    signedCardSchema.safeParse({ ...signed, signature: { protected: "a".repeat(501), signature: "b" } }).success,
  ).toBe(false);
});

test("a budget with money names its currency", () => {
  expect(budgetSchema.safeParse({ money: 1 }).error?.issues).toMatchObject([
    { path: ["currency"], message: "money needs a currency" },
  ]);
  expect(budgetSchema.parse({ money: 1, currency: "USD", tokens: 5, calls: 2, timeMs: 10 })).toMatchObject({
    currency: "USD",
  });
  expect(budgetSchema.parse({})).toEqual({});
  expect(budgetSchema.safeParse({ tokens: 1.5 }).success).toBe(false);
});

function nested(levels: number): Record<string, unknown> {
  let schema: Record<string, unknown> = {};
  for (let level = 1; level < levels; level++) schema = { items: schema };
  return schema;
}
