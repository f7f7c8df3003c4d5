import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codePoint } from "../../../../test/arbitraries/any-text.ts";
import { isEasynetError } from "../kernel/index.ts";
import { someCapability, someRecord } from "../testing/directory-fixture.ts";
import { fakeDid } from "../testing/index.ts";
import { fits } from "./offer-filter.ts";
import { offersOf } from "./offer-index.ts";
import { formatQuery, parseQuery } from "./query-core.ts";
import type { FindQuery } from "./types.ts";

function problemOf(text: string): unknown {
  try {
    return parseQuery(text);
  } catch (error) {
    return isEasynetError(error, "QUERY_INVALID") ? error.details : error;
  }
}

describe("a query", () => {
  test("is read term by term", () => {
    expect(parseQuery('capability:ocr lang:zh price<0.1 gpu:true tag:fast tag:"two words" cpu>=4')).toEqual({
      capability: "ocr",
      languages: ["zh"],
      gpu: true,
      tags: ["fast", "two words"],
      ranges: { price: { below: 0.1 }, cpuCores: { atLeast: 4 } },
    });
    expect(parseQuery("  ")).toEqual({});
    expect(parseQuery("price>=1 price<2").ranges).toEqual({ price: { atLeast: 1, below: 2 } });
    expect(parseQuery("status:disconnected").status).toBe("dead");
  });

  test.each([
    ["price<cheap", { position: 1, reason: "price takes a number" }],
    ["tag:a colour:red", { position: 7 }],
    ["capability<3", { position: 1 }],
    ["capability:a capability:b", { position: 14, reason: "capability is said twice" }],
    ["ocr", { position: 1, near: "ocr" }],
    ['tag:"open', { position: 1 }],
    ["gpu:maybe", { reason: "gpu is true or false" }],
    ["status:asleep", { reason: "asleep is no status" }],
    ["constructor:x", { position: 1 }],
  ])("that is wrong says where and why: %s", (text, details) => {
    expect(problemOf(text)).toMatchObject(details);
  });

  test("survives being written and read again, and never fails in another way", () => {
    const word = fc.string({ minLength: 1, maxLength: 10 });
    const bound = fc.record(
      { atLeast: fc.integer(), atMost: fc.integer(), above: fc.integer(), below: fc.integer() },
      { requiredKeys: [] },
    );
    const query: fc.Arbitrary<FindQuery> = fc.record(
      {
        capability: word,
        agent: word,
        tags: fc.array(word, { minLength: 1, maxLength: 4 }),
        languages: fc.array(word, { minLength: 1, maxLength: 2 }),
        gpu: fc.boolean(),
        status: fc.constantFrom("alive", "any", "maintenance"),
        ranges: fc.record({ price: bound, memoryMb: bound }),
      },
      { requiredKeys: [] },
    );
    const filled = ({ ranges, ...rest }: FindQuery): FindQuery => {
      const kept = Object.entries(ranges ?? {}).filter(([, range]) => Object.keys(range).length > 0);
      return kept.length > 0 ? { ...rest, ranges: Object.fromEntries(kept) } : rest;
    };
    fc.assert(
      fc.property(query, (one) => {
        expect(parseQuery(formatQuery(one))).toEqual(filled(one));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), (noise) => {
        expect(problemOf(noise)).not.toBeInstanceOf(Error);
      }),
    );
  });
});

describe("an offer", () => {
  const cheap = someCapability("ocr", {
    tags: ["fast"],
    languages: ["zh-CN", "en"],
    cost: { baseCost: 0.05, scalingFactor: 1, unit: "per_request", currency: "credits" },
    performance: { latencyMs: 20, reliabilityRatio: 0.99 },
    quality: { accuracyRatio: 0.9 },
    collaborationPatterns: ["pipeline"],
  });
  const record = someRecord(fakeDid(1), [{ name: "reader", capabilities: [cheap, someCapability("plain")] }], "desk");
  const node = { did: fakeDid(1), record: { ...record, offers: { cpuCores: 8, memoryMb: 4096, gpuMemoryMb: 1 } } };
  const offers = offersOf({ ...node, status: "alive", load: undefined, lastSeenAtMs: 0 });
  const found = (text: string): string[] =>
    offers.filter((offer) => fits(offer, parseQuery(text))).map(({ capability }) => capability.name);

  test.each([
    ["lang:zh price<0.1 gpu:true tag:fast", ["ocr"]],
    ["lang:fr", []],
    ["lang:z", []],
    ["price<0.05", []],
    ["price<=0.05", ["ocr"]],
    ["latency<50 reliability>=0.95 accuracy>=0.9", ["ocr"]],
    ["cpu>=8 memory>=4096 gpu-memory>=1 node:desk type:function", ["ocr", "plain"]],
    ["cpu>8", []],
    ["pattern:pipeline", ["ocr"]],
    ["gpu:false", []],
    ["availability>=0", []],
  ])("fits or not: %s", (text, names) => {
    expect(found(text)).toEqual(names);
  });
});
