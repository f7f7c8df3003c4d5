import { AgentCard as SdkAgentCard, canonicalizeAgentCard } from "@a2a-js/sdk";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cardArbitrary } from "../../../../test/arbitraries/agent-card.ts";
import { sampleCard } from "../../../../test/arbitraries/sample-card.ts";
import { verifies } from "../../../../test/requirements.ts";
import { canonicalJson } from "../identity/index.ts";
import { A2A_CARD_EXTENSION, A2A_MESH_BINDING, cardFromA2a, cardToA2a } from "./a2a-card.ts";
import { type AgentCard, agentCardSchema } from "./agent-card.ts";

const reasonOf = (act: () => unknown): unknown => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe("an agent card as an A2A card", () => {
  verifies("identity:id:record");

  test("comes back from its A2A form as it was", () => {
    fc.assert(
      fc.property(cardArbitrary, (card) => {
        expect(canonicalJson(agentCardSchema.parse(card))).toBe(canonicalJson(card));
        expect(canonicalJson(cardFromA2a(cardToA2a(card)))).toBe(canonicalJson(card));
      }),
    );
  });

  test("comes back from the JSON text of its A2A form", () => {
    fc.assert(
      fc.property(cardArbitrary, (card) => {
        expect(canonicalJson(cardFromA2a(JSON.parse(JSON.stringify(cardToA2a(card)))))).toBe(canonicalJson(card));
      }),
    );
  });

  test("comes back after an A2A library read and wrote it", () => {
    fc.assert(
      fc.property(cardArbitrary, (card) => {
        expect(canonicalJson(cardFromA2a(SdkAgentCard.toJSON(SdkAgentCard.fromJSON(cardToA2a(card)))))).toBe(
          canonicalJson(card),
        );
      }),
    );
  });

  test("has the canonical form that the A2A library gives it, so that nothing in it is left unsigned", () => {
    fc.assert(
      fc.property(cardArbitrary, (card) => {
        const a2a = cardToA2a(card);
        expect(canonicalizeAgentCard(SdkAgentCard.fromJSON(a2a))).toBe(canonicalJson(a2a));
      }),
    );
  });

  test("puts what A2A knows into its fields and the rest under one extension", () => {
    const card = sampleCard();
    expect(cardToA2a(card)).toMatchObject({
      name: "counter@amber",
      description: "Counts words.",
      version: "0.1.0",
      supportedInterfaces: [{ url: `easynet:${card.node}`, protocolBinding: A2A_MESH_BINDING, protocolVersion: "1.0" }],
      skills: [
        {
          id: "text/count",
          name: "text/count",
          tags: ["natural_language", "text", "zh"],
          examples: ["Count the words of README.md"],
          inputModes: ["text/plain"],
          outputModes: ["application/json"],
        },
      ],
      capabilities: {
        streaming: true,
        extensions: [
          {
            uri: A2A_CARD_EXTENSION,
            params: {
              id: card.id,
              agentType: "function",
              skills: {
                "text/count": { inputSchema: { type: "object" }, cost: { currency: "credits" }, idempotent: true },
              },
            },
          },
        ],
      },
    });
  });

  test("gives A2A a description, a version and tags even where ours are empty", () => {
    const [capability] = sampleCard().capabilities;
    const card: AgentCard = {
      ...sampleCard(),
      description: "",
      version: "",
      capabilities: [{ ...capability!, description: "", tags: [] }],
    };
    const a2a = cardToA2a(card);
    expect(a2a).toMatchObject({
      description: "counter@amber",
      version: "0",
      skills: [{ description: "text/count", tags: ["natural_language"] }],
    });
    expect(canonicalJson(cardFromA2a(a2a))).toBe(canonicalJson(card));
  });

  test("keeps the empty values of a schema, which the A2A library would drop", () => {
    const [capability] = sampleCard().capabilities;
    const inputSchema = { not: {}, enum: ["", null, "a", []], properties: { "a/b": { items: {} } }, required: [] };
    const card: AgentCard = { ...sampleCard(), capabilities: [{ ...capability!, inputSchema }] };
    const a2a = cardToA2a(card);
    expect(JSON.stringify(a2a)).toContain(
      '"{} /capabilities/extensions/0/params/skills/text~1count/inputSchema/properties/a~1b/items"',
    );
    expect(canonicalJson(cardFromA2a(a2a))).toBe(canonicalJson(card));
  });
});

describe("an A2A card that is not one of ours", () => {
  const change = (patch: Record<string, unknown>): Record<string, unknown> => ({
    ...cardToA2a(sampleCard()),
    ...patch,
  });
  const withParams = (patch: Record<string, unknown>): Record<string, unknown> => {
    const [extension] = SdkAgentCard.fromJSON(cardToA2a(sampleCard())).capabilities!.extensions;
    const params = { ...extension!.params, ...patch };
    return change({ capabilities: { streaming: true, extensions: [{ uri: A2A_CARD_EXTENSION, params }] } });
  };

  test.each([
    ["a field that nothing checks", change({ iconUrl: "https://example.com" }), "unknown field iconUrl"],
    ["no extension of ours", change({ capabilities: { streaming: true, extensions: [] } }), "capabilities.extensions"],
    ["another binding", change({ supportedInterfaces: [{ url: "https://a" }] }), "supportedInterfaces"],
    ["an unknown field in the extension", withParams({ novel: 1 }), "unknown field novel"],
    ["a skill in the extension only", withParams({ skills: { other: {} }, emptyValues: [] }), "describes other"],
    ["an empty value that has no place", withParams({ emptyValues: ["[] /nowhere/else"] }), "empty values"],
    ["an empty value that is not empty", withParams({ emptyValues: ["7 /name"] }), "empty values"],
    ["an empty value in the prototype", withParams({ emptyValues: ["{} /__proto__"] }), "empty values"],
    ["an index far behind its list", withParams({ emptyValues: ['"" /skills/0/tags/9999'] }), "empty values"],
    ["nothing", undefined, "type undefined"],
    ["a list", [], "expected object"],
    ["a depth without end", change({ name: deep(100) }), "48 levels"],
  ])("with %s is refused with the reason", (_what, a2a, reason) => {
    expect(reasonOf(() => cardFromA2a(a2a))).toMatchObject({
      code: "CARD_INVALID",
      details: { reason: expect.stringContaining(reason) },
    });
  });

  test("with a key __proto__ is refused", () => {
    const text = JSON.stringify(cardToA2a(sampleCard())).replace(
      '"streaming":true',
      '"streaming":true,"__proto__":{"a":1}',
    );
    expect(reasonOf(() => cardFromA2a(JSON.parse(text)))).toMatchObject({ code: "CARD_INVALID" });
  });

  test("never makes anything but CARD_INVALID", () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        expect(reasonOf(() => cardFromA2a(value))).toMatchObject({ code: "CARD_INVALID" });
        expect(reasonOf(() => cardFromA2a(change({ skills: value })))).toMatchObject({ code: "CARD_INVALID" });
      }),
    );
  });
});

test("a card with too many empty values is refused rather than signed", () => {
  const [capability] = sampleCard().capabilities;
  const inputSchema = { enum: Array.from({ length: 10_001 }, () => "") };
  expect(reasonOf(() => cardToA2a({ ...sampleCard(), capabilities: [{ ...capability!, inputSchema }] }))).toMatchObject(
    {
      code: "CARD_INVALID",
      details: { reason: expect.stringContaining("10004 empty values") },
    },
  );
});

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}
